"""Deliveries for the tests of contracts: good coupons and till lines as text, which a test then spoils."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging.check import BATCH_ROWS, check_weeks
from coupon_pipeline.contracts.judging.references import Reference
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Verdict
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 24), "UTC")
WEEKS = CALENDAR.weeks
REFERENCES = {
    target: Reference(np.array([1, 2, 9]), np.array([WEEKS[0], WEEKS[0], WEEKS[2]]))
    for target in (
        "stores.store_id",
        "products.product_id",
        "customers.household_id",
        "campaigns.campaign_id",
        "coupons.coupon_id",
    )
}
"""Keys 1 and 2 are known from the first week, key 9 from the third."""


def coupon(week: str = WEEKS[0], **cells: str | None) -> dict[str, str | None]:
    """A good coupon that became known at noon of a week's first day, with some cells replaced."""
    good: dict[str, str | None] = {
        "coupon_id": "1",
        "campaign_id": "1",
        "upc": None,
        "category": "DAIRY",
        "discount_kind": "amount",
        "face_value_cents": "50",
        "min_quantity": "1",
        "min_spend_cents": None,
        "valid_from": "2025-03-10",
        "valid_to": "2025-03-23",
        "funding": "store",
        "supplier_id": None,
        "supplier_share_bp": "0",
        "is_deleted": None,
        "known_at": f"{week} 12:00:00",
    }
    return {**good, **cells}


def coupons(*rows: Mapping[str, str | None]) -> pa.Table:
    """Coupons as a delivery of text."""
    return as_delivery(rows or [], list(coupon()))


def till_lines(count: int, week: str = WEEKS[0], **cells: str | None) -> list[dict[str, str | None]]:
    """Good till lines, one per basket, sold on a week's last day; `cells` replaces cells of the first."""
    sold = datetime.fromisoformat(week) + timedelta(days=6, hours=9)
    good = {
        "line": "1",
        "store_id": "1",
        "till_id": None,
        "household_id": None,
        "product_id": "2",
        "line_kind": "sale",
        "quantity": "1",
        "gross_cents": "250",
        "retail_discount_cents": "50",
        "coupon_discount_cents": "0",
        "match_discount_cents": "0",
        "sold_at": str(sold),
        "known_at": str(sold),
    }
    rows: list[dict[str, str | None]] = [{"basket_id": str(number), **good} for number in range(1, count + 1)]
    rows[0] = {**rows[0], **cells}
    return rows


def as_delivery(rows: Sequence[Mapping[str, str | None]], columns: Sequence[str]) -> pa.Table:
    """Rows as a table of text."""
    return pa.table({name: pa.array([row[name] for row in rows], pa.string()) for name in columns})


def beside(**changes: Any) -> Surroundings:
    """Surroundings without history, in which keys 1, 2 and 9 of every other table are known; some parts replaced."""
    usual = Surroundings(
        CALENDAR.opens_at, CALENDAR.decision_time, REFERENCES, absent=frozenset({"pos_transactions", "coupon_issues"})
    )
    return replace(usual, **changes)


def check(
    contract: Contract | str,
    *tables: pa.Table,
    batch_rows: int = BATCH_ROWS,
    surroundings: Surroundings | None = None,
) -> list[Verdict]:
    """Verdicts on tables delivered in the first weeks of the calendar."""
    contract = reader.load(contract) if isinstance(contract, str) else contract
    delivered = dict(zip(WEEKS, tables, strict=False))
    read = delivered.__getitem__
    return list(check_weeks(contract, list(delivered), read, surroundings or beside(), batch_rows))
