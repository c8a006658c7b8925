"""Small tables of lines, products and coupons for tests of moments."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import pyarrow as pa

from coupon_pipeline.simulation.records import SCHEMAS

FIRST_DAY = date(2025, 1, 6)
TIMEZONE = "America/New_York"

Line = tuple[int, int, str, int, int, int]
"""Household, basket, instant (UTC), product, quantity, gross cents."""


def lines_of(lines: Sequence[Line], *, kind: str = "sale", discounts: Sequence[tuple[int, int, int]] = ()) -> pa.Table:
    """Lines of store 1; `discounts` are retail, coupon and match cents of the first lines, the others have none."""
    given = [*discounts, *[(0, 0, 0)] * (len(lines) - len(discounts))]
    rows = [
        {
            "basket_id": basket,
            "line": number,
            "store_id": 1,
            "household_id": household,
            "product_id": product,
            "line_kind": kind,
            "quantity": quantity,
            "gross_cents": gross,
            "retail_discount_cents": retail,
            "coupon_discount_cents": coupon,
            "match_discount_cents": match,
            "sold_at": datetime.fromisoformat(sold_at),
        }
        for number, ((household, basket, sold_at, product, quantity, gross), (retail, coupon, match)) in enumerate(
            zip(lines, given, strict=True)
        )
    ]
    return pa.Table.from_pylist(rows, SCHEMAS["pos_lines"])


def products_of(*departments: str) -> pa.Table:
    """Products 1, 2, ... each alone in its category; every second one is a private label."""
    rows = [
        {
            "product_id": number,
            "department": department,
            "category": f"category {number}",
            "subcategory": f"subcategory {number}",
            "brand_type": "private" if number % 2 == 0 else "national",
        }
        for number, department in enumerate(departments, start=1)
    ]
    return pa.Table.from_pylist(rows, SCHEMAS["products"])
