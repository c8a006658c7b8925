"""What speaks against a request, in the order in which it is said."""

from __future__ import annotations

from collections.abc import Iterator

from tests.ledger.books import Books, Entry, RefusedError

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Basket, CouponTerms

DAY = 86_400_000
Against = Iterator[tuple[bool, Reason]]


def against_issue(books: Books, household: int, coupon: CouponTerms, over: list[Entry]) -> Against:
    """Why a coupon cannot be issued; `over` are issues that end if it is."""
    campaign = books.campaigns[coupon.campaign_id]
    own = [one for one in books.entries if one.household == household]
    of_campaign = [one for one in own if one.coupon.campaign_id == coupon.campaign_id]
    today = [one for one in own if one.at // DAY == books.now // DAY]
    budget = campaign.budget_cents
    yield not books.consents.get(household), Reason.NO_CONSENT
    yield not campaign.is_open, Reason.CAMPAIGN_CLOSED
    yield coupon.expires_at <= books.now, Reason.EXPIRED
    yield budget is not None and books.paid[coupon.campaign_id] >= budget, Reason.BUDGET_EXHAUSTED
    yield len(books.rivals(household, coupon)) > len(over), Reason.CATEGORY_TAKEN
    yield len(of_campaign) >= campaign.per_household, Reason.HOUSEHOLD_CAP
    yield books.per_day is not None and len(today) >= books.per_day, Reason.DAY_CAP
    used = books.reserved(without=over)
    for at, amount in Entry(0, coupon, household, books.now).amounts().items():
        limit = books.granted[at]
        counted = {"campaign_issues": Reason.CAMPAIGN_CAP, "coupon_issues": Reason.COUPON_CAP}
        yield limit is not None and used[at] + amount > limit, counted.get(at[0], Reason.LIABILITY_EXHAUSTED)


def against_use(
    books: Books, entry: Entry, terms: CouponTerms, client: str, basket: Basket, discount: int | None
) -> Against:
    """Why a coupon cannot be used; without a discount, why it could not."""
    place = basket.store_id, basket.basket_id
    others = [one for one in books.sales.values() if one.entry is not entry and one.reversed_at is None and one.basket]
    groups = {one.group for one in others if one.basket and (one.basket.store_id, one.basket.basket_id) == place}
    yield entry.state == "redeemed", Reason.ALREADY_REDEEMED
    yield entry.state == "void", Reason.VOID
    yield entry.state == "expired" or entry.coupon.expires_at <= books.now, Reason.EXPIRED
    yield entry.coupon.valid_from > books.now, Reason.NOT_YET_VALID
    yield entry.held_until > books.now and entry.held_by != client, Reason.HELD
    yield terms.is_bound and basket.household_id is None, Reason.HOUSEHOLD_REQUIRED
    yield terms.is_bound and basket.household_id != entry.household, Reason.WRONG_HOUSEHOLD
    yield terms.stacking_group is not None and terms.stacking_group in groups, Reason.NOT_STACKABLE
    gross = 0
    if basket.lines is not None or discount is not None:
        lines = [one for one in basket.lines or () if not terms.product_ids or one.product_id in terms.product_ids]
        gross = sum(one.gross_cents for one in lines)
        yield sum(one.quantity for one in lines) < terms.min_quantity, Reason.MINIMUM_QUANTITY
        yield gross < terms.min_spend_cents, Reason.MINIMUM_SPEND
    if discount is not None:
        yield discount < 0, Reason.INVALID_AMOUNT
        yield discount > entry.coupon.value_cents, Reason.OVER_FACE_VALUE
        yield discount > gross, Reason.OVER_BASKET_VALUE


def refuse_first(against: Against) -> None:
    """Raise the first reason that applies."""
    for applies, reason in against:
        if applies:
            raise RefusedError(reason)
