"""Features of a household: how often and how much it buys, how it uses coupons, who it is."""

from __future__ import annotations

import ibis
import ibis.expr.types as types

from coupon_pipeline.features.feature import Feature
from coupon_pipeline.features.history import RECENT, History, attach

NEVER = "no such event so far"
UNSEEN = "the household has bought nothing so far"
UNTOLD = "not told"
PRIOR_TARGETINGS = 2.0
"""Weight of the mean habit, in targetings, in a household's own rate."""

UNISSUED = "the source does not tell issues"
UNBILLED = "the household has paid no bill so far"
PRIOR_SENT = 10.0
"""Weight of the mean open rate, in coupons sent, in a household's own."""
PRIOR_ISSUES = 30.0
"""Weight of the mean redemption rate, in issues, in a household's own."""

FEATURES = (
    Feature("household__baskets_28d", "Baskets.", "count", "28 days", UNSEEN),
    Feature("household__baskets_91d", "Baskets.", "count", "91 days", UNSEEN),
    Feature("household__spend_91d", "Spend.", "cents", "91 days", UNSEEN),
    Feature("household__products_91d", "Different products bought.", "count", "91 days", UNSEEN),
    Feature("household__days_since_basket", "Days since the last basket.", "days", "ever", UNSEEN),
    Feature("household__mean_basket", "Mean spend of a basket.", "cents", "ever", UNSEEN),
    Feature("household__private_label_share", "Share of spend on private labels.", "share", "ever", UNSEEN),
    Feature("household__coupon_lines", "Lines with a coupon discount.", "count", "ever", UNSEEN),
    Feature("household__coupon_lines_91d", "Lines with a coupon discount.", "count", "91 days", UNSEEN),
    Feature("household__coupon_discount", "Coupon discounts.", "cents", "ever", UNSEEN),
    Feature("household__coupon_basket_share", "Share of baskets with a coupon discount.", "share", "ever", UNSEEN),
    Feature("household__days_since_coupon", "Days since the last coupon discount.", "days", "ever", NEVER),
    Feature("household__targeted", "Campaigns that targeted it.", "count", "ever", "never null"),
    Feature("household__redemptions", "Coupons redeemed.", "count", "ever", "never null"),
    Feature("household__redeemed_campaigns", "Campaigns it redeemed in.", "count", "ever", "never null"),
    Feature(
        "household__redemption_rate", "Campaigns redeemed in per targeting, shrunk.", "share", "ever", "never null"
    ),
    Feature("household__days_since_redemption", "Days since the last first-time redemption.", "days", "ever", NEVER),
    Feature("household__age", "Lower end of the age band.", "years", "undated", UNTOLD),
    Feature("household__income", "Lower end of the income band.", "thousands", "undated", UNTOLD),
    Feature("household__size", "Members.", "count", "undated", UNTOLD),
    Feature("household__kids", "Children.", "count", "undated", UNTOLD),
    Feature("household__open_rate", "Coupons opened per coupon sent, shrunk.", "share", "ever", "none was sent so far"),
    Feature("household__days_since_opened", "Days since it last opened a coupon.", "days", "ever", NEVER),
    Feature("household__issued", "Coupons issued to it.", "count", "ever", UNISSUED),
    Feature(
        "household__issue_redemption_rate",
        "Issues redeemed per issue that has ended, shrunk.",
        "share",
        "ever",
        "no issue has ended so far",
    ),
    Feature("household__bills_91d", "Bills paid.", "count", "91 days", UNBILLED),
    Feature("household__mean_bill", "Mean amount of a bill paid, tax included.", "cents", "ever", UNBILLED),
)


def table(history: History) -> ibis.Table:
    """One row per known household, one column per feature."""
    customers = history.as_of.state("customers")
    households = customers.select(
        "household_id",
        household__age=_lower_end(customers.age_band),
        household__income=_lower_end(customers.income_band),
        household__size=_lower_end(customers.household_size),
        household__kids=_lower_end(customers.kids_count),
    )
    joined = households
    parts = (_spending(history), _coupon_habit(history), _redeeming(history))
    for part in (*parts, _engagement(history), _issuing(history), _bills(history)):
        joined = attach(joined, part, "household_id")
    joined = joined.mutate(household__issued=history.count("coupon_issues", joined._issued))
    return _with_shrunk(_with_rates(joined)).select("household_id", *(feature.name for feature in FEATURES))


def _lower_end(band: types.StringValue) -> ibis.Value:
    """The first number in a band such as `35-49K`; 0 for `Under 15K`."""
    number = band.re_extract(r"(\d+)", 1).nullif("").cast("float64")
    return ibis.ifelse(band.startswith("Under"), 0.0, number)


def _spending(history: History) -> ibis.Table:
    lines = history.lines.left_join(
        history.products.select("product_id", private=history.products.brand_type == "private"), "product_id"
    )
    baskets = lines.basket_id
    return lines.group_by("household_id").agg(
        household__baskets_28d=baskets.nunique(where=lines.age < 28),
        household__baskets_91d=baskets.nunique(where=lines.age < RECENT),
        household__spend_91d=lines.spend_cents.sum(where=lines.age < RECENT).fill_null(0),
        household__products_91d=lines.product_id.nunique(where=lines.age < RECENT),
        household__days_since_basket=lines.age.min(),
        _baskets=baskets.nunique(),
        _spend=lines.spend_cents.sum(),
        _private=lines.spend_cents.sum(where=lines.private).fill_null(0),
    )


def _coupon_habit(history: History) -> ibis.Table:
    lines = history.lines
    used = lines.coupon_cents > 0
    return lines.group_by("household_id").agg(
        household__coupon_lines=used.sum(),
        household__coupon_lines_91d=(used & (lines.age < RECENT)).sum(),
        household__coupon_discount=lines.coupon_cents.sum(),
        household__days_since_coupon=lines.age.min(where=used),
        _coupon_baskets=lines.basket_id.nunique(where=used),
    )


def _redeeming(history: History) -> ibis.Table:
    targets, redeemed = history.targets, history.redemptions
    targeted = targets.group_by("household_id").agg(_targeted=targets.count())
    used = redeemed.group_by("household_id").agg(
        _redemptions=redeemed.count(),
        _campaigns=redeemed.campaign_id.nunique(),
        household__days_since_redemption=redeemed.age.min(),
    )
    return targeted.outer_join(used, "household_id").select(
        "_targeted",
        "_redemptions",
        "_campaigns",
        "household__days_since_redemption",
        household_id=ibis.coalesce(targeted.household_id, used.household_id),
    )


def _with_rates(joined: ibis.Table) -> ibis.Table:
    targeted = joined._targeted.fill_null(0)
    campaigns = joined._campaigns.fill_null(0)
    everyone = ibis.window()
    habit = campaigns.sum().over(everyone) / targeted.sum().over(everyone).nullif(0)
    return joined.mutate(
        household__mean_basket=joined._spend / joined._baskets.nullif(0),
        household__private_label_share=joined._private / joined._spend.nullif(0),
        household__coupon_basket_share=joined._coupon_baskets / joined._baskets.nullif(0),
        household__targeted=targeted,
        household__redemptions=joined._redemptions.fill_null(0),
        household__redeemed_campaigns=campaigns,
        household__redemption_rate=(campaigns + PRIOR_TARGETINGS * habit.fill_null(0.0))
        / (targeted + PRIOR_TARGETINGS),
    )


def _engagement(history: History) -> ibis.Table:
    events = history.as_of.table("engagements")
    opened = events.event == "opened"
    return events.group_by("household_id").agg(
        _sent=events.issue_id.nunique(where=events.event == "sent"),
        _opened=events.issue_id.nunique(where=opened),
        household__days_since_opened=history.age(events.happened_at).min(where=opened),
    )


def _issuing(history: History) -> ibis.Table:
    issues = history.issues
    ended = issues.valid_to < history.as_of.day()
    return issues.group_by("household_id").agg(
        _issued=issues.count(), _ended=ended.sum(), _used=issues.redeemed.sum(where=ended).fill_null(0)
    )


def _bills(history: History) -> ibis.Table:
    bills = history.as_of.table("bills")
    # A return has a bill of its own, below zero.
    bills = bills.filter(bills.total_cents > 0)
    return bills.group_by("household_id").agg(
        household__bills_91d=(history.age(bills.issued_at) < RECENT).sum(),
        household__mean_bill=bills.total_cents.sum() / bills.count(),
    )


def _with_shrunk(joined: ibis.Table) -> ibis.Table:
    def shrunk(part: str, whole: str, prior: float) -> ibis.Value:
        found, tried = joined[part].fill_null(0), joined[whole].fill_null(0)
        mean = found.sum().over(ibis.window()) / tried.sum().over(ibis.window()).nullif(0)
        return (found + prior * mean) / (tried + prior)

    return joined.mutate(
        household__open_rate=shrunk("_opened", "_sent", PRIOR_SENT),
        household__issue_redemption_rate=shrunk("_used", "_ended", PRIOR_ISSUES),
    )
