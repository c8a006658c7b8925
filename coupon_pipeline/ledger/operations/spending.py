"""What a till presents, looked at and judged: the same checks, in the same order, for validate, hold and redeem."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from coupon_pipeline.ledger.operations.context import Context, check_text, fits
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import Basket
from coupon_pipeline.ledger.statement import Statement, Transaction

MOST_CENTS: Final = 2**53

_LOOK: Final = (
    "select i.issue_id, i.coupon_id, i.state, i.valid_from, i.expires_at, i.value_cents, i.pid, i.held_by, "
    "i.held_until, c.min_quantity, c.min_spend_cents, c.stacking_group, c.is_bound, "
    "exists (select 1 from coupon_product p where p.coupon_id = c.coupon_id), "
    "(select y.pid from pseudonym y where y.household_hmac = :household), "
    "exists (select 1 from redemption r where r.store_id = :store_id and r.basket_id = :basket_id "
    "and r.stacking_group = c.stacking_group and r.reversed_at is null and r.issue_id <> i.issue_id), "
    "{counting} from issue i join coupon c on c.coupon_id = i.coupon_id where i.code_hash = :code_hash"
)
_COUNTING: Final = "p.product_id from coupon_product p where p.coupon_id = c.coupon_id and p.product_id"
LOOK: Final = {
    "sqlite": Statement(
        _LOOK.format(
            counting="(select json_group_array(product_id) from "
            f"(select {_COUNTING} in (select value from json_each(:products))))"
        )
    ),
    "postgresql": Statement(_LOOK.format(counting=f"array(select {_COUNTING} = any(cast(:products as bigint[])))")),
}
"""All that is known of a code, in one statement and so of one moment."""


@dataclass(frozen=True, slots=True)
class Look:
    """An issue as a till finds it, with the terms of its coupon."""

    issue_id: int
    coupon_id: int
    state: str
    valid_from: int
    expires_at: int
    value_cents: int
    pid: bytes
    held_by: str | None
    held_until: int | None
    min_quantity: int
    min_spend_cents: int
    stacking_group: str | None
    is_bound: int
    has_products: int
    presented_by: bytes | None
    """The pseudonym of the household that the till names."""
    is_stacked: int
    """Whether the basket has used another coupon of the group."""
    counting: str | list[int]
    """The basket's products that the coupon is for; JSON from SQLite."""

    @property
    def products(self) -> list[int]:
        """The basket's products that the coupon is for, where it is for some alone."""
        return json.loads(self.counting) if isinstance(self.counting, str) else self.counting


def looked(tx: Transaction, context: Context, code: str, basket: Basket) -> Look | None:
    """The issue behind a code; None for one that is not known, in whatever way. Raises RefusalError for odd texts."""
    for name in ("store_id", "basket_id", "till_id"):
        check_text(name, getattr(basket, name))
    household = None if basket.household_id is None else context.household(basket.household_id)
    wanted = sorted({line.product_id for line in basket.lines or () if fits(line.product_id)})
    place = {"store_id": basket.store_id, "basket_id": basket.basket_id, "household": household}
    products = json.dumps(wanted) if tx.dialect == "sqlite" else in_braces(wanted)
    for digest in context.lookups(code):
        found = tx.one(LOOK[tx.dialect], code_hash=digest, products=products, **place)
        if found is not None:
            return Look(*found)
    return None


def in_braces(numbers: Sequence[int]) -> str:
    """Numbers as the text of an array of PostgreSQL: cheaper for both sides than a list that psycopg would convert."""
    return "{" + ",".join(map(str, numbers)) + "}"


def known(look: Look | None) -> Look:
    """The look itself; raises RefusalError where a code led nowhere."""
    if look is None:
        raise RefusalError(Reason.UNKNOWN_CODE, "there is no coupon with this code: type it again", "code")
    return look


def judge(look: Look, client: str, basket: Basket, now: int, discount: int | None = None) -> None:
    """Raise RefusalError for the first thing that speaks against using the coupon now."""
    _judge_state(look, now)
    if look.held_until is not None and look.held_until > now and look.held_by != client:
        raise RefusalError(Reason.HELD, "another client holds the coupon: wait until the hold ends", "code")
    _judge_household(look, basket)
    if look.stacking_group is not None and look.is_stacked:
        raise RefusalError(Reason.NOT_STACKABLE, "the basket has used a coupon of the same group", "code")
    gross = _judge_lines(look, basket)
    if discount is None:
        return
    if type(discount) is not int or not 0 <= discount <= MOST_CENTS:
        raise RefusalError(Reason.INVALID_AMOUNT, "give cents as a whole number that is not negative", "discount_cents")
    if discount > look.value_cents:
        raise RefusalError(Reason.OVER_FACE_VALUE, "the discount exceeds the coupon's face value", "discount_cents")
    if gross is not None and discount > gross:
        raise RefusalError(
            Reason.OVER_BASKET_VALUE, "the discount exceeds what the coupon's products cost", "discount_cents"
        )


def _judge_state(look: Look, now: int) -> None:
    if look.state == "redeemed":
        raise RefusalError(Reason.ALREADY_REDEEMED, "the coupon is used up: charge the full price", "code")
    if look.state == "void":
        raise RefusalError(Reason.VOID, "the coupon was cancelled: charge the full price", "code")
    if look.state == "expired" or look.expires_at <= now:
        raise RefusalError(Reason.EXPIRED, "the coupon's time is over: charge the full price", "code")
    if look.valid_from > now:
        raise RefusalError(Reason.NOT_YET_VALID, "the coupon is good from a later day on", "code")


def _judge_household(look: Look, basket: Basket) -> None:
    if not look.is_bound:
        return
    if basket.household_id is None:
        raise RefusalError(
            Reason.HOUSEHOLD_REQUIRED, "the coupon is good with the household's card alone", "household_id"
        )
    if look.presented_by is None or bytes(look.presented_by) != bytes(look.pid):
        raise RefusalError(Reason.WRONG_HOUSEHOLD, "the coupon was given to another household", "household_id")


def _judge_lines(look: Look, basket: Basket) -> int | None:
    """What the coupon's products in the basket cost, in cents; None where no lines are told."""
    if basket.lines is None:
        return None
    products = look.products if look.has_products else None
    lines = [line for line in basket.lines if products is None or line.product_id in products]
    if any(line.quantity <= 0 or line.gross_cents < 0 for line in basket.lines):
        raise RefusalError(Reason.INVALID_AMOUNT, "a line has a quantity above 0 and cents that are not below", "lines")
    if sum(line.quantity for line in lines) < look.min_quantity:
        raise RefusalError(Reason.MINIMUM_QUANTITY, "the basket lacks units of the coupon's products", "lines")
    gross = sum(line.gross_cents for line in lines)
    if gross < look.min_spend_cents:
        raise RefusalError(Reason.MINIMUM_SPEND, "the coupon's products in the basket cost too little", "lines")
    return gross
