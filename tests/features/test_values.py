"""Features of a handful of hand-made rows, computed by hand."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.features.compute import compute
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2024, 1, 1), date(2024, 4, 29), "Europe/Berlin")
START = CALENDAR.opens_at("2024-01-01")
NOW = CALENDAR.midnight(date(2024, 4, 29))


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def sale(
    basket: int, household: int, product: int, days: float, cents: int, coupon: int = 0, **other: Any
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


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[int, int], dict[str, Any]]:
    """Features of both households and both coupons of campaign 2, as of its start."""
    store = Store(tmp_path_factory.mktemp("store"), CALENDAR)
    for table, found in TABLES.items():
        schema = arrow.schema(reader.load(table))
        full = [{field.name: None for field in schema} | {"known_at": START} | row for row in found]
        known = pa.Table.from_pylist(full, schema=schema)
        for week in CALENDAR.weeks:
            opens, closes = CALENDAR.opens_at(week), CALENDAR.decision_time(week)
            kept = [opens <= instant < closes for instant in known["known_at"].to_pylist()]
            store.write("clean", table, week, known.filter(pa.array(kept, pa.bool_())), "hand-made")
    pairs = pa.table({"household_id": [1, 1, 2, 2], "coupon_id": [201, 202, 201, 202]})
    found = compute(store.as_of(NOW), pairs, REDEMPTION).to_pylist()
    return {(row["household_id"], row["coupon_id"]): row for row in found}


@pytest.mark.parametrize(
    ("pair", "feature", "value"),
    [
        ((1, 201), "household__baskets_28d", 2),
        ((1, 201), "household__baskets_91d", 2),
        ((1, 201), "household__spend_91d", 900),
        ((1, 201), "household__days_since_basket", 2),
        ((1, 201), "household__coupon_lines", 1),
        ((1, 201), "household__coupon_basket_share", 1 / 4),
        ((1, 201), "household__private_label_share", (200 - 300) / (400 + 100 + 400 + 200 - 300)),
        ((1, 201), "household__targeted", 1),
        ((1, 201), "household__redemptions", 1),
        ((1, 201), "household__redemption_rate", (1 + 2 * 0.5) / (1 + 2)),
        ((2, 201), "household__redemption_rate", (0 + 2 * 0.5) / (1 + 2)),
        ((1, 201), "household__days_since_redemption", 80),
        ((2, 201), "household__days_since_redemption", None),
        ((1, 201), "household__age", 35),
        ((1, 201), "household__income", 0),
        ((1, 201), "household__kids", 3),
        ((2, 201), "household__age", None),
        ((2, 202), "household__spend_91d", 500),
        ((1, 201), "coupon__face_value", 50),
        ((1, 202), "coupon__face_value", None),
        ((1, 202), "coupon__min_quantity", 2),
        ((1, 201), "coupon__price", 400),
        ((1, 201), "coupon__depth", 50 / 400),
        ((1, 202), "coupon__store_funded", 1),
        ((1, 201), "coupon__days_valid", 14),
        ((1, 201), "coupon__pool", 2),
        ((1, 201), "coupon__products", 2),
        ((1, 201), "coupon__national_share", 1 / 2),
        ((1, 202), "coupon__buyers_91d", 2),
        ((1, 201), "coupon__coupon_line_share", 1 / 2),
        ((1, 201), "coupon__category_rate", (1 + 500 * 0.5) / (2 + 500)),
        ((1, 202), "coupon__category_rate", (0 + 500 * 0.5) / 500),
        ((1, 201), "pair__baskets_91d", 2),
        ((1, 201), "pair__baskets", 4),
        ((1, 201), "pair__spend_91d", 800),
        ((1, 201), "pair__products", 2),
        ((1, 201), "pair__coupon_lines", 1),
        ((1, 201), "pair__days_since", 2),
        ((1, 201), "pair__due", 2 / ((100 - 2) / 3)),
        ((1, 202), "pair__due", None),
        ((1, 201), "pair__spend_share", 700 / 800),
        ((1, 201), "pair__lift", (700 / 800) / (700 / 1300)),
        ((2, 201), "pair__baskets", 0),
        ((2, 201), "pair__days_since", None),
        ((1, 201), "pair__category_share", 1),
        ((1, 202), "pair__category_baskets", 1),
        ((1, 201), "pair__department_baskets", 4),
        ((1, 201), "pair__supplier_baskets", 2),
        ((1, 201), "pair__rank_in_household", 1),
        ((1, 202), "pair__rank_in_household", 0),
        ((2, 201), "pair__rank_among_households", 0),
        ((1, 201), "pair__redeemed_category", 1),
        ((1, 201), "pair__redeemed_upc", 1),
        ((1, 202), "pair__redeemed_upc", 0),
    ],
)  # fmt: skip
def test_a_feature_has_the_value_that_its_definition_gives(
    rows: dict[tuple[int, int], dict[str, Any]], pair: tuple[int, int], feature: str, value: float | None
) -> None:
    found = rows[pair][feature]
    assert found == (None if value is None else pytest.approx(value))


def test_pairs_come_ordered_with_features_in_model_order(rows: dict[tuple[int, int], dict[str, Any]]) -> None:
    assert list(rows) == [(1, 201), (1, 202), (2, 201), (2, 202)]
    assert list(rows[1, 201]) == ["household_id", "coupon_id", *REDEMPTION.names]
