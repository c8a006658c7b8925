"""A small grocer as it is known when a cycle decides: offers, members, coupons that were given out before."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.clean import Rows, clean_store

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.decisions.record import ASSIGNMENTS
from coupon_pipeline.issuing.offers import Limits
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.tables import AsOf, Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 10), "Europe/Berlin")
OLD, CYCLE = CALENDAR.weeks
DECIDED = CALENDAR.decision_time(CYCLE)
BEFORE = CALENDAR.opens_at(OLD) + timedelta(hours=8)
MONDAY, SUNDAY = date(2025, 3, 17), date(2025, 3, 30)
SOUP, TEA, BREAD, OVER = 11, 12, 13, 14
"""Coupons: of known value, of unknown value, paid for by a supplier and live for a week, over on the last Sunday."""
CAMPAIGN, PAST, SUPPLIER = 1, 2, 7
ANNA, BERT, SILENT, ERASED, GONE = 1, 2, 3, 4, 5
NO_LIMITS = Limits(None, None, None, None, 100)


def coupon(coupon_id: int, valid_from: date, valid_to: date, **terms: Any) -> dict[str, Any]:
    """An offer of CAMPAIGN, known long ago."""
    plain = {"campaign_id": CAMPAIGN, "min_quantity": 1, "supplier_share_bp": 0, "known_at": BEFORE}
    return {"coupon_id": coupon_id, "valid_from": valid_from, "valid_to": valid_to, **plain, **terms}


def issue(issue_id: int, household_id: int | None, coupon_id: int) -> dict[str, Any]:
    """A coupon given out before the ledger."""
    cells = {"issue_id": issue_id, "household_id": household_id, "coupon_id": coupon_id, "channel": "print"}
    return cells | {"decision_id": f"decision-{issue_id}", "issued_at": BEFORE, "known_at": BEFORE}


def redemption(redemption_id: int, household_id: int, coupon_id: int, issue_id: int | None) -> dict[str, Any]:
    """A use before the ledger."""
    cells = {"redemption_id": redemption_id, "household_id": household_id, "coupon_id": coupon_id}
    return cells | {"issue_id": issue_id, "redeemed_at": BEFORE, "known_at": BEFORE}


def member(household_id: int, consents: bool = True, known_at: datetime = BEFORE, **cells: Any) -> dict[str, Any]:
    """A row of customers."""
    return {"household_id": household_id, "marketing_consent": consents, "known_at": known_at, **cells}


def tables(**changed: Rows) -> dict[str, Rows]:
    """The clean tables."""
    bread = {"funding": "supplier", "supplier_id": SUPPLIER, "supplier_share_bp": 8_500}
    soup = {"category": "soup", "face_value_cents": 150, "min_quantity": 2, "min_spend_cents": 400}
    limits = {"budget_cents": 90_000, "liability_cents": 500_000}
    listed = [(SOUP, 102), (SOUP, 101), (TEA, 103), (OVER, 101)]
    gone = member(GONE, known_at=BEFORE + timedelta(hours=1), is_deleted=True)
    return {
        "campaigns": [
            {"campaign_id": CAMPAIGN, "known_at": BEFORE, **limits},
            {"campaign_id": PAST, "known_at": BEFORE},
        ],
        "coupons": [
            coupon(SOUP, MONDAY, SUNDAY, **soup),
            coupon(TEA, MONDAY, SUNDAY, category="tea"),
            coupon(BREAD, date(2025, 3, 10), MONDAY, face_value_cents=60, **bread),
            coupon(OVER, date(2025, 3, 3), date(2025, 3, 16), campaign_id=PAST, face_value_cents=80),
        ],
        "coupon_products": [{"coupon_id": one, "product_id": product, "known_at": BEFORE} for one, product in listed],
        "customers": [
            *(member(one) for one in (ANNA, BERT, GONE)),
            member(SILENT, consents=False),
            member(ERASED, erased_at=BEFORE),
            gone,
        ],
        "coupon_issues": [],
        "coupon_redemptions": [],
    } | changed


def known(folder: Path, **changed: Rows) -> AsOf:
    """What is known when CYCLE decides."""
    store: Store = clean_store(folder / "shop", CALENDAR, tables(**changed))
    return store.as_of(DECIDED)


def decided(*pairs: tuple[int, int]) -> pa.Table:
    """Decision records of pairs of household and coupon, in the order in which they are given."""
    rows = [
        {
            **dict.fromkeys(ASSIGNMENTS.names),
            "decision_id": f"decision-{household:03}-{coupon_id:03}",
            "household_id": household,
            "coupon_id": coupon_id,
            "arm": "policy",
            "policy": "budgeted",
        }
        for household, coupon_id in pairs
    ]
    return pa.Table.from_pylist(rows, ASSIGNMENTS)


@contextmanager
def ledger_in(folder: Path, now: datetime = DECIDED) -> Generator[Ledger]:
    """The ledger of a folder, at an instant."""
    url = f"sqlite:///{folder / 'ledger.db'}"
    with open_ledger(url, folder / "keys.json", "development", lambda: to_epoch(now)) as ledger:
        yield ledger
