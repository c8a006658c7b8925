"""What the machine draws from: mostly what can be granted, often what is just refused."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.ledger.books import Entry
from tests.ledger.worlds import (
    COUPONS,
    FITTING,
    HOUSEHOLDS,
    OTHER_PRODUCT,
    OTHER_TILL,
    OVER,
    SOON,
    SUPPLIER,
    TILL,
)

from coupon_pipeline.ledger.records import Line

UNKNOWN_COUPON = 99
LINES = {
    "fits": FITTING,
    "few": (Line(10, 1, 450), Line(12, 1, 20), Line(OTHER_PRODUCT, 3, 1_000)),
    "cheap": (Line(10, 2, 20), Line(12, 1, 20)),
}
TIGHT: dict[str, dict[str, Any]] = {
    "nothing": {"supplier_liability_cents": {SUPPLIER: 10_000}},
    "campaign liability": {"liability_cents": 350},
    "campaign issues": {"max_issues": 2},
    "household": {"per_household": 1},
    "budget": {},
    "closed": {"is_open": False},
    "supplier": {"supplier_liability_cents": {SUPPLIER: 68}},
    "total": {"total_liability_cents": 500},
    "day": {"per_household_day": 1},
}
"""Which limit binds: changes of the first campaign, or of the definitions themselves."""
TIGHTS = st.sampled_from([*TIGHT, "nothing", "nothing", "budget", "budget", "day", "day", "day"])
PICK = st.integers(0, 999)
OFTEN = [one for one in COUPONS if one not in (OVER, SOON)]
PAIRS = st.tuples(
    st.sampled_from(HOUSEHOLDS),
    st.sampled_from([one.coupon_id for one in [*OFTEN, *OFTEN, *OFTEN, OVER, SOON, SOON, SOON, SOON]]),
)
CLIENTS = st.sampled_from([TILL, TILL, OTHER_TILL])
SECONDS = st.sampled_from([0, 60, 60, 300, 300, 3_600, 3_600, 3_601])
BASKETS = st.sampled_from(["fits"] * 14 + ["awkward"] * 5 + ["few", "cheap", "again", "wrong card", "odd"])
DISCOUNTS = st.sampled_from([30] * 5 + [50] * 5 + [-1, 0, 100, 101, 151])
KEY_KINDS = st.sampled_from(["fresh"] * 14 + ["used", "short"])


def edges_of(entry: Entry) -> dict[str, int]:
    return {"begins": entry.coupon.valid_from, "ends": entry.coupon.expires_at, "held": entry.held_until}


def awkward(entry: Entry) -> str:
    """The kind of basket that the coupon's own rule refuses."""
    coupon = entry.coupon
    if coupon.is_bound:
        return ("no card", "wrong card")[entry.number % 2]
    if coupon.stacking_group is not None:
        return "again"
    return "few" if coupon.product_ids else "cheap"


def one_of(items: list[Any], pick: int) -> Any:
    return items[-1 - pick % len(items)]
