"""Weeks of a small made-up chain: every table has rows, the contracts hold, and bills equal till lines."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.records import KEYS, SCHEMAS, WeekRecords
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 1, 6), date(2025, 12, 29), "America/New_York")
WEEKS = CALENDAR.weeks
EPOCH = np.datetime64("1970-01-01", "us")


@dataclass(frozen=True)
class Size:
    """How much of everything a week has."""

    stores: int = 4
    products: int = 300
    households: int = 120
    baskets: int = 320
    lines: int = 5
    stock: int = 400
    orders: int = 300
    plan: int = 60
    coupons: int = 10
    issues: int = 90


SMALL = Size()
DEFAULT = Size(20, 20_000, 2_500, 4_200, 7, 30_000, 20_000, 13_000, 100, 1_200)
"""What a week of the default chain has."""


def week_records(week: str = WEEKS[0], size: Size = SMALL) -> WeekRecords:
    """The clean records of a week; the first week has the whole catalogue, later ones a few changes of it."""
    number = WEEKS.index(week)
    draw = np.random.default_rng(number)
    opens, closes = CALENDAR.opens_at(week), CALENDAR.decision_time(week)
    made = {**_reference(week, number, size, opens), **_erp(week, number, size, draw, opens)}
    made |= _tills(number, size, draw, opens)
    made |= _marketing(week, number, size, draw, opens)
    tables = {}
    for name, schema in SCHEMAS.items():
        columns = made[name]
        table = pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema=schema)
        tables[name] = table.sort_by([(key, "ascending") for key in KEYS[name]])
    return WeekRecords(week, opens, closes, tables)


def _at(start: datetime, seconds: np.ndarray) -> np.ndarray:
    return np.datetime64(start, "us") + seconds.astype("timedelta64[s]")


def _reference(week: str, number: int, size: Size, opens: datetime) -> dict[str, dict[str, object]]:
    products = np.arange(1, size.products + 1) if number == 0 else np.arange(1, 4)
    households = np.arange(1, size.households + 1) if number == 0 else np.arange(1, 4)
    stores = np.arange(1, size.stores + 1) if number == 0 else np.arange(0)
    known = np.full(size.products + size.households, np.datetime64(opens, "us"))
    empty = [None] * len(households)
    return {
        "stores": {
            "store_id": stores,
            "region": ["zone-0"] * len(stores),
            "format": ["supermarket"] * len(stores),
            "price_zone": stores % 2,
            "changed_at": known[: len(stores)],
        },
        "products": {
            "product_id": products,
            "name": [f'Café "{one}", large' for one in products],
            "brand": ["A"] * len(products),
            "brand_type": ["national", "private", "national"][:3] * (len(products) // 3)
            + ["national"] * (len(products) % 3),
            "department": ["GROCERY"] * len(products),
            "category": ["COFFEE"] * len(products),
            "subcategory": [None] * len(products),
            "supplier_id": products % 7,
            "package_size": ["12 OZ"] * len(products),
            "changed_at": known[: len(products)],
        },
        "customers": {
            "household_id": households,
            "joined_at": [date(2024, 1, 1)] * len(households),
            "marketing_consent": households % 5 > 0,
            "erased_at": empty,
            "age_band": ["45-54" if one % 3 else None for one in households],
            "income_band": empty,
            "home_ownership": empty,
            "marital_status": empty,
            "household_size": ["2"] * len(households),
            "household_composition": empty,
            "kids_count": empty,
            "changed_at": known[: len(households)],
        },
    }


def _erp(
    week: str, number: int, size: Size, draw: np.random.Generator, opens: datetime
) -> dict[str, dict[str, object]]:
    priced = np.repeat(np.arange(1, size.products + 1 if number == 0 else size.products // 20 + 1), 2)
    cells = draw.choice(size.stores * size.products, min(size.stock, size.stores * size.products), replace=False)
    counted = np.full(len(cells), np.datetime64(opens + timedelta(days=6, hours=20), "us"))
    planned = np.arange(size.plan)
    orders = np.arange(size.orders) + number * size.orders
    ordered = _at(opens, draw.integers(0, 3 * 86_400, size.orders))
    received = np.where(orders % 2 == 0, ordered + np.timedelta64(30, "h"), np.datetime64("NaT", "us"))
    wanted = draw.integers(2, 30, size.orders)
    return {
        "prices": {
            "product_id": priced,
            "price_zone": np.tile([0, 1], len(priced) // 2),
            "valid_from": [date.fromisoformat(week)] * len(priced),
            "shelf_price_cents": 200 + priced % 300,
            "unit_cost_cents": 150 + priced % 200,
            "changed_at": np.full(len(priced), np.datetime64(opens, "us")),
        },
        "promotion_plan": {
            "product_id": planned // 2 % size.products + 1,
            "price_zone": planned % 2,
            "promo_week": [date.fromisoformat(week) + timedelta(days=14)] * size.plan,
            "display": ["0"] * size.plan,
            "mailer": ["A"] * size.plan,
            "promo_price_cents": 100 + planned % 50,
            "changed_at": np.full(size.plan, np.datetime64(opens + timedelta(days=3), "us")),
        },
        "inventory_levels": {
            "store_id": cells // size.products + 1,
            "product_id": cells % size.products + 1,
            "counted_at": counted,
            "on_hand": draw.integers(0, 40, len(cells)),
            "on_order": draw.integers(0, 9, len(cells)),
            "changed_at": counted + np.timedelta64(1, "h"),
        },
        "purchase_orders": {
            "order_id": orders,
            "line": np.ones(size.orders, int),
            "supplier_id": orders % 7,
            "store_id": orders % size.stores + 1,
            "product_id": orders % size.products + 1,
            "ordered_at": ordered,
            "due_at": ordered + np.timedelta64(7, "D"),
            "received_at": pa.array(received, pa.timestamp("us")),
            "quantity_ordered": wanted,
            "quantity_received": pa.array(wanted, mask=np.isnat(received)),
            "unit_cost_cents": 150 + orders % 200,
            "changed_at": np.where(np.isnat(received), ordered, received),
        },
    }


def _tills(number: int, size: Size, draw: np.random.Generator, opens: datetime) -> dict[str, dict[str, object]]:
    baskets = np.arange(size.baskets) + 1 + number * size.baskets
    open_for = (np.arange(size.baskets) * 7 // size.baskets) * 86_400 + draw.integers(8 * 3600, 22 * 3600, size.baskets)
    sold = _at(opens, open_for)
    card = baskets % size.households + 1
    per = draw.integers(1, 2 * size.lines, size.baskets)
    of = np.repeat(np.arange(size.baskets), per)
    count = len(of)
    line = np.arange(count) - np.repeat(np.cumsum(per) - per, per) + 1
    kinds = np.where(draw.random(count) < 0.01, "return", "sale")
    gross, promo = draw.integers(100, 900, count), draw.integers(0, 50, count)
    tax = gross // 20
    sign = np.where(kinds == "sale", 1, -1)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(of, values * sign, size.baskets).astype(np.int64)

    without_card = baskets % 9 == 0
    redeemed = np.flatnonzero(baskets % 20 == 1)
    return {
        "pos_lines": {
            "basket_id": baskets[of],
            "line": line,
            "store_id": (baskets % size.stores + 1)[of],
            "till_id": (baskets % 3 + 1)[of],
            "household_id": pa.array(card[of], mask=without_card[of]),
            "product_id": draw.integers(1, size.products + 1, count),
            "line_kind": kinds.tolist(),
            "quantity": draw.integers(1, 4, count),
            "gross_cents": gross,
            "retail_discount_cents": promo,
            "coupon_discount_cents": np.zeros(count, int),
            "match_discount_cents": np.zeros(count, int),
            "tax_cents": tax,
            "sold_at": sold[of],
        },
        "bills": {
            "bill_id": baskets,
            "store_id": baskets % size.stores + 1,
            "household_id": pa.array(card, mask=without_card),
            "lines": per,
            "gross_cents": total(gross),
            "discount_cents": total(promo),
            "tax_cents": total(tax),
            "total_cents": total(gross) - total(promo) + total(tax),
            "tender": ["card"] * size.baskets,
            "issued_at": sold,
        },
        "redemptions": {
            "redemption_id": baskets[redeemed],
            "issue_id": baskets[redeemed],
            "coupon_id": np.full(len(redeemed), number * size.coupons + 1),
            "household_id": card[redeemed],
            "basket_id": baskets[redeemed],
            "store_id": (baskets % size.stores + 1)[redeemed],
            "discount_cents": np.full(len(redeemed), 50),
            "redeemed_at": sold[redeemed],
        },
    }


def _marketing(
    week: str, number: int, size: Size, draw: np.random.Generator, opens: datetime
) -> dict[str, dict[str, object]]:
    coupons = np.arange(size.coupons) + 1 + number * size.coupons
    starts = date.fromisoformat(week) + timedelta(days=7)
    thursday = np.datetime64(opens + timedelta(days=3), "us")
    targets = np.arange(1, size.households + 1, 2)
    each = 17
    issues = np.arange(size.issues) + 1 + number * size.issues
    issued = np.full(size.issues, np.datetime64(opens, "us"))
    opened = issues[::2]
    return {
        "campaigns": {
            "campaign_id": [number + 1],
            "kind": ["weekly"],
            "starts_on": [starts],
            "ends_on": [starts + timedelta(days=13)],
            "budget_cents": [None],
            "liability_cents": [5_000_000],
            "changed_at": [thursday],
        },
        "campaign_targets": {
            "campaign_id": np.full(len(targets), number + 1),
            "household_id": targets,
            "changed_at": np.full(len(targets), thursday),
        },
        "coupons": {
            "coupon_id": coupons,
            "campaign_id": np.full(size.coupons, number + 1),
            "upc": pa.array([None] * size.coupons, pa.int64()),
            "category": ["COFFEE"] * size.coupons,
            "discount_kind": ["amount"] * size.coupons,
            "face_value_cents": np.full(size.coupons, 50),
            "min_quantity": np.ones(size.coupons, int),
            "min_spend_cents": pa.array([None] * size.coupons, pa.int64()),
            "valid_from": [starts] * size.coupons,
            "valid_to": [starts + timedelta(days=13)] * size.coupons,
            "funding": ["store"] * size.coupons,
            "supplier_id": pa.array([None] * size.coupons, pa.int64()),
            "supplier_share_bp": np.zeros(size.coupons, int),
            "changed_at": np.full(size.coupons, thursday),
        },
        "coupon_products": {
            "coupon_id": np.repeat(coupons, each),
            "product_id": np.tile(np.arange(each), size.coupons)
            + np.repeat(coupons, each) % (size.products - each)
            + 1,
            "changed_at": np.full(size.coupons * each, thursday),
        },
        "coupon_issues": {
            "issue_id": issues,
            "coupon_id": coupons[issues % size.coupons],
            "household_id": issues % size.households + 1,
            "decision_id": [f"d-{one}" for one in issues],
            "propensity": np.full(size.issues, 0.1),
            "policy": ["random"] * size.issues,
            "arm": ["explore"] * size.issues,
            "channel": ["app"] * size.issues,
            "issued_at": issued,
        },
        "engagements": {
            "issue_id": np.concatenate([issues, opened]),
            "channel": ["app"] * (len(issues) + len(opened)),
            "event": ["sent"] * len(issues) + ["opened"] * len(opened),
            "coupon_id": coupons[np.concatenate([issues, opened]) % size.coupons],
            "household_id": np.concatenate([issues, opened]) % size.households + 1,
            "happened_at": np.concatenate([issued, _at(opens, draw.integers(0, 6 * 86_400, len(opened)))]),
        },
    }
