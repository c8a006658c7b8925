"""Features of the tables that a grocer may not have: their values by hand, and the instant at which a row counts."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from tests.features.handmade import CALENDAR, NOW, TABLES, ago, sale, write_store

from coupon_pipeline.contracts import reader
from coupon_pipeline.features import supply
from coupon_pipeline.features.compute import compute
from coupon_pipeline.features.history import History
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.tables import Store

PAIRS = pa.table({"household_id": [1, 1, 2, 2], "coupon_id": [201, 202, 201, 202]})
MICROSECOND = timedelta(microseconds=1)
Rows = list[dict[str, Any]]


def price(product: int, zone: int, cents: int, cost: int | None, **other: Any) -> dict[str, Any]:
    return {"product_id": product, "price_zone": zone, "valid_from": date(2024, 1, 1), "shelf_price_cents": cents,
            "unit_cost_cents": cost} | other  # fmt: skip


def count(store: int, product: int, units: int, days: float) -> dict[str, Any]:
    return {"store_id": store, "product_id": product, "counted_at": ago(days), "on_hand": units, "on_order": 0,
            "known_at": ago(days)}  # fmt: skip


def order(order_id: int, product: int, units: int, days: float, received: float | None = None) -> Rows:
    ordered = {"order_id": order_id, "line": 1, "store_id": 1, "product_id": product, "ordered_at": ago(days),
               "quantity_ordered": units, "known_at": ago(days)}  # fmt: skip
    if received is None:
        return [ordered]
    return [ordered, ordered | {"received_at": ago(received), "quantity_received": units, "known_at": ago(received)}]


def promotion(product: int, store: int, cents: int | None, week: date = date(2024, 4, 29)) -> dict[str, Any]:
    return {"product_id": product, "store_id": store, "promo_week": week, "display": "none", "mailer": "none",
            "promo_price_cents": cents}  # fmt: skip


def issue(issue_id: int, household: int, coupon: int, days: float) -> dict[str, Any]:
    return {"issue_id": issue_id, "coupon_id": coupon, "household_id": household, "channel": "app",
            "issued_at": ago(days), "known_at": ago(days)}  # fmt: skip


def event(issue_id: int, household: int, name: str, days: float) -> dict[str, Any]:
    return {"issue_id": issue_id, "channel": "app", "event": name, "coupon_id": 101, "household_id": household,
            "happened_at": ago(days), "known_at": ago(days)}  # fmt: skip


def bill(bill_id: int, household: int | None, cents: int, days: float) -> dict[str, Any]:
    return {"bill_id": bill_id, "store_id": 1, "household_id": household, "lines": 1, "gross_cents": cents,
            "discount_cents": 0, "tax_cents": 0, "total_cents": cents, "issued_at": ago(days),
            "known_at": ago(days)}  # fmt: skip


ALL: dict[str, Rows] = {
    **TABLES,
    "stores": [{"store_id": 1}, {"store_id": 2}],
    "pos_transactions": [
        *TABLES["pos_transactions"],
        sale(16, None, 2, 5, 300, quantity=25),
        sale(18, None, 2, 6, 300, quantity=1_000),
    ],
    "promotions": [
        promotion(1, 1, 300),
        promotion(1, 2, 300),
        promotion(2, 1, None),
        promotion(2, 2, 150, date(2024, 5, 6)),
    ],
    "prices": [
        price(1, 1, 400, 300),
        price(1, 2, 600, None),
        price(2, 1, 900, 10, known_at=ago(20)),
        price(2, 1, 200, 140, valid_from=date(2024, 4, 29), known_at=ago(4)),
        price(2, 1, 999, 999, valid_from=date(2024, 4, 30), known_at=ago(3)),
        price(1, 1, 888, 888, valid_from=date(2024, 4, 1), known_at=ago(19)),
        price(1, 1, 888, 888, valid_from=date(2024, 4, 1), known_at=ago(18), is_deleted=True),
    ],
    "inventory_levels": [count(1, 1, 90, 30), count(1, 1, 9, 2), count(2, 1, 3, 60), count(1, 2, 2, 3)],
    "purchase_orders": [*order(1, 1, 14, 10), *order(2, 2, 50, 10, received=4), *order(3, 2, 70, 92)],
    "bills": [bill(11, 1, 450, 2), bill(13, 1, 250, 100), bill(16, None, 9000, 5), bill(14, 1, -300, 9)],
    "engagements": [
        event(1, 1, "sent", 85),
        event(2, 1, "sent", 85),
        event(1, 1, "opened", 84),
        event(1, 1, "clicked", 83),
        event(3, 2, "sent", 85),
    ],
    "coupon_issues": [issue(1, 1, 101, 86), issue(3, 2, 101, 86), issue(4, 2, 201, 1)],
}


def features(store: Store) -> dict[tuple[int, int], dict[str, Any]]:
    found = compute(store.as_of(NOW), PAIRS, REDEMPTION).to_pylist()
    return {(row["household_id"], row["coupon_id"]): row for row in found}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store with all 16 tables."""
    assert set(ALL) == set(reader.names())
    return write_store(tmp_path_factory.mktemp("store"), ALL)


@pytest.fixture(scope="module")
def rows(store: Store) -> dict[tuple[int, int], dict[str, Any]]:
    """Features of both households and both coupons of campaign 2, as of its start."""
    return features(store)


SOLD_A_DAY = (2 + 25 + 1) / 28
"""Units of the products of coupon 201 in 28 days, those of baskets without a card too; a volume counts as one unit."""


@pytest.mark.parametrize(
    ("pair", "feature", "value"),
    [
        ((1, 201), "coupon__shelf_price", (400 + 600 + 200) / 3),
        ((1, 201), "coupon__margin_share", (400 - 300 + 200 - 140) / (400 + 200)),
        ((1, 202), "coupon__shelf_price", None),
        ((1, 201), "coupon__promoted_share", 2 / 4),
        ((1, 202), "coupon__promoted_share", 0),
        ((1, 201), "coupon__stock_cover", (9 + 3 + 2) / SOLD_A_DAY),
        ((1, 202), "coupon__stock_cover", None),
        ((1, 201), "coupon__on_order_cover", 14 / SOLD_A_DAY),
        ((1, 202), "coupon__on_order_cover", 0),
        ((1, 201), "household__open_rate", (1 + 10 / 3) / (2 + 10)),
        ((2, 201), "household__open_rate", (0 + 10 / 3) / (1 + 10)),
        ((1, 201), "household__days_since_opened", 84),
        ((2, 201), "household__days_since_opened", None),
        ((1, 201), "household__issued", 1),
        ((2, 201), "household__issued", 2),
        ((1, 201), "household__issue_redemption_rate", (1 + 30 / 2) / (1 + 30)),
        ((2, 201), "household__issue_redemption_rate", (0 + 30 / 2) / (1 + 30)),
        ((1, 201), "household__bills_91d", 1),
        ((1, 201), "household__mean_bill", 350),
        ((2, 201), "household__mean_bill", None),
        ((1, 201), "pair__issued_category", 1),
        ((2, 201), "pair__issued_category", 2),
        ((1, 202), "pair__issued_category", 0),
        ((1, 201), "coupon__category_rate", (1 + 500 * 0.5) / (2 + 500)),
    ],
)
def test_a_feature_has_the_value_that_its_definition_gives(
    rows: dict[tuple[int, int], dict[str, Any]], pair: tuple[int, int], feature: str, value: float | None
) -> None:
    found = rows[pair][feature]
    assert found == (None if value is None else pytest.approx(value))


def test_ranks_do_not_depend_on_which_pairs_of_a_campaign_are_asked_for(
    rows: dict[tuple[int, int], dict[str, Any]], store: Store
) -> None:
    alone = compute(store.as_of(NOW), PAIRS.slice(0, 1), REDEMPTION).to_pylist()
    assert alone == [rows[1, 201]]


LATE: tuple[dict[str, tuple[dict[str, Any], set[str]]], ...] = (
    {
        "stores": ({"store_id": 3}, {"coupon__promoted_share"}),
        "products": (TABLES["products"][0] | {"brand_type": "private"}, {"coupon__national_share"}),
        "prices": (price(1, 1, 500, 300), {"coupon__shelf_price", "coupon__margin_share"}),
        "inventory_levels": (count(1, 1, 1, 1), {"coupon__stock_cover"}),
        "purchase_orders": (order(4, 1, 7, 1)[0], {"coupon__on_order_cover"}),
        "bills": (bill(17, 1, 100, 1), {"household__bills_91d", "household__mean_bill"}),
        "customers": (TABLES["customers"][0] | {"age_band": "65+"}, {"household__age"}),
        "coupons": (TABLES["coupons"][1] | {"face_value_cents": 75}, {"coupon__face_value"}),
        "coupon_redemptions": (
            {"redemption_id": 2, "coupon_id": 101, "household_id": 2, "redeemed_at": ago(70)},
            {"household__redemptions", "household__issue_redemption_rate"},
        ),
        "engagements": (event(2, 1, "opened", 1), {"household__open_rate", "household__days_since_opened"}),
        "coupon_issues": (issue(5, 1, 201, 1), {"household__issued", "pair__issued_category"}),
    },
    {
        "promotions": (promotion(2, 2, 100), {"coupon__promoted_share"}),
        "pos_transactions": (sale(17, 1, 3, 1, 400), {"household__spend_91d"}),
        "campaigns": (TABLES["campaigns"][0] | {"kind": "B"}, {"coupon__category_rate"}),
        "campaign_targets": ({"campaign_id": 1, "household_id": 1, "is_deleted": True}, {"household__targeted"}),
        "coupon_products": ({"coupon_id": 202, "product_id": 1}, {"coupon__products"}),
    },
)
"""Table -> a row that changes something, and features that no other row of the group changes."""


def planted(known_at: datetime, *groups: dict[str, tuple[dict[str, Any], set[str]]]) -> dict[str, Rows]:
    late = {table: row for group in groups for table, (row, _) in group.items()}
    return ALL | {table: [*ALL[table], row | {"known_at": known_at}] for table, row in late.items()}


def test_rows_that_are_known_only_at_the_instant_move_nothing(
    rows: dict[tuple[int, int], dict[str, Any]], tmp_path: Path
) -> None:
    """The week that opens at NOW is the calendar's last: what was known then is in the store, and still is not seen."""
    assert {table for group in LATE for table in group} == set(reader.names())
    assert features(write_store(tmp_path, planted(NOW, *LATE))) == rows


@pytest.mark.parametrize("group", LATE, ids=["first", "second"])
def test_a_row_of_each_table_counts_if_it_was_known_a_microsecond_before(
    rows: dict[tuple[int, int], dict[str, Any]], tmp_path: Path, group: dict[str, tuple[dict[str, Any], set[str]]]
) -> None:
    found = features(write_store(tmp_path, planted(NOW - MICROSECOND, group)))
    changed = {name for pair in rows for name in REDEMPTION.names if found[pair][name] != rows[pair][name]}
    for table, (_, moved) in group.items():
        assert moved <= changed, table


@pytest.mark.parametrize(("day", "share"), [(date(2024, 4, 23), 2 / 4), (date(2024, 4, 22), None)])
def test_promotions_are_those_of_the_week_that_comes(store: Store, day: date, share: float | None) -> None:
    history = History(store.as_of(CALENDAR.midnight(day)), PAIRS)
    promoted = supply.promoted(history).to_pyarrow().to_pylist()
    assert {row["coupon_id"]: row["coupon__promoted_share"] for row in promoted}[201] == share
