"""A grocer small enough to compute by hand: two households, three products, two campaigns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2024, 1, 1), date(2024, 4, 29), "Europe/Berlin")
START = CALENDAR.opens_at("2024-01-01")
NOW = CALENDAR.midnight(date(2024, 4, 29))


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def sale(
    basket: int, household: int | None, product: int, days: float, cents: int, coupon: int = 0, **other: Any
) -> dict[str, Any]:
    return {
        "basket_id": basket,
        "line": product,
        "store_id": 1,
        "household_id": household,
        "product_id": product,
        "line_kind": "sale",
        "quantity": 1,
        "gross_cents": cents,
        "retail_discount_cents": 0,
        "coupon_discount_cents": coupon,
        "match_discount_cents": 0,
        "sold_at": ago(days),
        "known_at": ago(days),
    } | other


def product(product_id: int, category: str, brand_type: str = "national") -> dict[str, Any]:
    return {"product_id": product_id, "category": category, "subcategory": category, "department": "food",
            "supplier_id": product_id, "brand_type": brand_type}  # fmt: skip


def coupon(coupon_id: int, campaign_id: int, **other: Any) -> dict[str, Any]:
    return {"coupon_id": coupon_id, "campaign_id": campaign_id, "upc": coupon_id % 10, "category": "cheese",
            "discount_kind": "amount", "face_value_cents": 50, "min_quantity": 1, "valid_from": date(2024, 4, 29),
            "valid_to": date(2024, 5, 12), "funding": "supplier", "supplier_share_bp": 10000} | other  # fmt: skip


TABLES: dict[str, list[dict[str, Any]]] = {
    "products": [product(1, "cheese"), product(2, "cheese", "private"), product(3, "tea")],
    "customers": [
        {"household_id": 1, "marketing_consent": True, "age_band": "35-44", "income_band": "Under 15K",
         "kids_count": "3+"},
        {"household_id": 2, "marketing_consent": True},
    ],
    "pos_transactions": [
        sale(11, 1, 1, 2, 400, coupon=50),
        sale(11, 1, 3, 2, 100),
        sale(12, 1, 1, 12, 400),
        sale(13, 1, 2, 100, 200),
        sale(14, 1, 2, 99, 300, line_kind="return"),
        sale(15, 2, 3, 40, 600, retail_discount_cents=100),
    ],
    "campaigns": [
        {"campaign_id": 1, "kind": "A", "starts_on": date(2024, 2, 1), "ends_on": date(2024, 2, 20)},
        {"campaign_id": 2, "kind": "A", "starts_on": date(2024, 4, 29), "ends_on": date(2024, 5, 12)},
    ],
    "campaign_targets": [{"campaign_id": c, "household_id": h} for c in (1, 2) for h in (1, 2)],
    "coupons": [
        coupon(101, 1, valid_from=date(2024, 2, 1), valid_to=date(2024, 2, 20)),
        coupon(201, 2),
        coupon(202, 2, category="tea", face_value_cents=None, funding="store", min_quantity=2),
    ],
    "coupon_products": [{"coupon_id": c, "product_id": p} for c, p in ((101, 1), (201, 1), (201, 2), (202, 3))],
    "coupon_redemptions": [{"redemption_id": 1, "coupon_id": 101, "household_id": 1, "redeemed_at": ago(80)}],
    "stores": [],
    "promotions": [],
}  # fmt: skip


def write_store(folder: Path, tables: Mapping[str, Sequence[Mapping[str, Any]]]) -> Store:
    """A store that delivers these tables: rows are filed by `known_at`, which is the calendar's start unless given."""
    store = Store(folder, CALENDAR, delivered=tuple(tables))
    for table, found in tables.items():
        schema = arrow.schema(reader.load(table))
        full = [{field.name: None for field in schema} | {"known_at": START} | dict(row) for row in found]
        known = pa.Table.from_pylist(full, schema=schema)
        for week in CALENDAR.weeks:
            opens, closes = CALENDAR.opens_at(week), CALENDAR.decision_time(week)
            kept = [opens <= instant < closes for instant in known["known_at"].to_pylist()]
            store.write("clean", table, week, known.filter(pa.array(kept, pa.bool_())), "hand-made")
    return store
