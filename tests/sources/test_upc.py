"""The last two digits of a manufacturer coupon's UPC say what it gives."""

from __future__ import annotations

import pytest

from coupon_pipeline.sources.complete_journey.upc import (
    CENTS_OFF,
    FREE_ITEM,
    value_codes,
)

ROWS = {row["code"]: row for row in value_codes().to_pylist()}


def test_each_of_the_hundred_codes_has_one_row() -> None:
    assert value_codes()["code"].to_pylist() == list(range(100))


@pytest.mark.parametrize(
    ("code", "min_quantity", "cents"),
    [
        (3, 1, 110),
        (7, 3, 150),
        (8, 2, 300),
        (13, 4, 100),
        (21, 2, 35),
        (33, 2, 100),
        (37, 3, 25),
        (53, 2, 10),
        (61, 1, 1000),
        (76, 1, 100),
        (82, 1, 200),
        (96, 1, 450),
        (98, 2, 65),
    ],
)
def test_a_listed_code_gives_its_listed_amount(code: int, min_quantity: int, cents: int) -> None:
    expected = {"code": code, "discount_kind": "amount", "min_quantity": min_quantity, "face_value_cents": cents}
    assert ROWS[code] == expected


@pytest.mark.parametrize("code", [10, 12, 15, 20, 25, 35, 50, 75, 90, 99])
def test_any_other_code_gives_as_many_cents_off_one_item(code: int) -> None:
    assert ROWS[code] == {"code": code, "discount_kind": "amount", "min_quantity": 1, "face_value_cents": code}


@pytest.mark.parametrize(("code", "bought"), [(0, 1), (1, 1), (2, 5), (14, 2), (16, 3), (19, 4)])
def test_a_free_item_has_no_known_value(code: int, bought: int) -> None:
    expected = {"code": code, "discount_kind": "free_item", "min_quantity": bought, "face_value_cents": None}
    assert ROWS[code] == expected


def test_only_free_items_lack_a_value() -> None:
    assert {code for code, row in ROWS.items() if row["face_value_cents"] is None} == {0, 1, 2, 14, 16, 19}
    assert {code for code, row in ROWS.items() if row["discount_kind"] == "free_item"} == {0, 1, 2, 14, 16, 19}


def test_no_code_is_both_a_free_item_and_an_amount() -> None:
    assert FREE_ITEM.keys().isdisjoint(CENTS_OFF)
