"""A day's books are compared to the cent: what one has and another has not is a row, and the rows explain the sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_pipeline.reconciling.day import (
    BILLS,
    DIFFERENCES,
    EXPORTED,
    KINDS,
    LINES,
    OTHER_DAYS,
    REDEMPTIONS,
    Books,
    Reconciled,
    reconcile,
)

STORE = 3
Cells = Sequence[Mapping[str, Any]]


def table(schema: pa.Schema, rows: Cells) -> pa.Table:
    return pa.Table.from_pylist([{"store_id": STORE, **row} for row in rows], schema)


def redemption(number: int, basket: int | None, cents: int, is_open: bool = True) -> dict[str, Any]:
    ids = {"redemption_id": number, "issue_id": 1000 + number, "basket_id": basket}
    return ids | {"discount_cents": cents, "is_open": is_open}


def line(basket: int, coupon: int, other: int = 0) -> dict[str, int]:
    return {"basket_id": basket, "coupon_cents": coupon, "all_cents": coupon + other}


def bill(basket: int, cents: int) -> dict[str, int]:
    return {"basket_id": basket, "discount_cents": cents}


def compared(
    redemptions: Cells,
    lines: Cells,
    exported: Cells | None = None,
    bills: Cells | None = None,
    other_days: Cells = (),
) -> Reconciled:
    """The books; what is exported is what is open, unless a test says otherwise."""
    told = [row for row in redemptions if row["is_open"]] if exported is None else exported
    told = [{name: cell for name, cell in row.items() if name != "is_open"} for row in told]
    return reconcile(
        Books(
            table(REDEMPTIONS, redemptions),
            table(EXPORTED, told),
            table(LINES, lines),
            None if bills is None else table(BILLS, bills),
            pa.Table.from_pylist(list(other_days), OTHER_DAYS),
        )
    )


def rows(found: Reconciled) -> list[dict[str, Any]]:
    """The differences, each with what is known alone."""
    return [{name: cell for name, cell in row.items() if cell is not None} for row in found.differences.to_pylist()]


def test_a_day_without_differences_has_no_row_and_a_zero_per_kind() -> None:
    found = compared([redemption(1, 7, 100), redemption(2, 7, 50)], [line(7, 90), line(7, 60)], bills=[bill(7, 150)])
    assert rows(found) == []
    assert found.differences.schema == DIFFERENCES
    assert [(kind.name, kind.count, kind.cents) for kind in found.kinds] == [(kind, 0, 0) for kind in KINDS]
    assert found.totals == dict.fromkeys(("ledger", "open", "till", "exported", "bill", "billed"), 150)


def test_a_redemption_without_a_discount_says_which_one() -> None:
    found = compared([redemption(1, 7, 100), redemption(2, 8, 50)], [line(8, 50), line(9, 0)])
    assert rows(found) == [
        {
            "kind": "redeemed_without_discount",
            "basket_id": 7,
            "store_id": STORE,
            "issue_id": 1001,
            "redemption_id": 1,
            "ledger_cents": 100,
            "difference_cents": 100,
        }
    ]


def test_a_basket_that_the_till_has_without_a_discount_shows_zero_and_each_of_its_redemptions() -> None:
    found = compared([redemption(1, 7, 100), redemption(2, 7, 50)], [line(7, 0, other=30)])
    assert [(row["redemption_id"], row["till_cents"], row["difference_cents"]) for row in rows(found)] == [
        (1, 0, 100),
        (2, 0, 50),
    ]


def test_a_discount_without_a_redemption_counts_against_the_ledger() -> None:
    found = compared([], [line(7, 100), line(7, -40)])
    [row] = rows(found)
    assert (row["kind"], row["till_cents"], row["difference_cents"]) == ("discount_without_redemption", 60, -60)
    assert "redemption_id" not in row


def test_lines_that_were_voided_leave_nothing_to_explain() -> None:
    assert rows(compared([], [line(7, 100), line(7, -100)])) == []


def test_amounts_that_differ_are_one_row_per_basket_and_name_a_lone_redemption() -> None:
    found = compared([redemption(1, 7, 100), redemption(2, 8, 100), redemption(3, 8, 100)], [line(7, 99), line(8, 150)])
    assert [(row["basket_id"], row.get("redemption_id"), row["difference_cents"]) for row in rows(found)] == [
        (7, 1, 1),
        (8, None, 50),
    ]


def test_a_redemption_that_was_reversed_later_counts_at_the_till_and_not_in_the_export() -> None:
    found = compared([redemption(1, 7, 100, is_open=False)], [line(7, 100)])
    assert rows(found) == []
    assert (found.totals["ledger"], found.totals["open"], found.totals["exported"]) == (100, 0, 0)


def test_the_export_is_held_against_the_ledger_by_redemption_and_amount() -> None:
    held = [redemption(1, 7, 100), redemption(2, 8, 100), redemption(3, 9, 100), redemption(4, 9, 5, is_open=False)]
    told = [redemption(2, 8, 90), redemption(3, 9, 100), redemption(3, 9, 100), redemption(4, 9, 5)]
    found = compared(held, [line(7, 100), line(8, 100), line(9, 105)], told)
    assert [(row["kind"], row["redemption_id"], row["difference_cents"]) for row in rows(found)] == [
        ("not_exported", 1, 100),
        ("not_exported", 2, 100),
        ("exported_without_redemption", 2, -90),
        ("exported_without_redemption", 3, -100),
        ("exported_without_redemption", 4, -5),
    ]


def test_a_bill_is_held_against_all_discounts_of_its_lines() -> None:
    found = compared([redemption(1, 7, 100)], [line(7, 100, other=20), line(8, 0, other=5)], bills=[bill(7, 100)])
    [row] = rows(found)
    assert (row["kind"], row["bill_cents"], row["till_cents"], row["difference_cents"]) == (
        "bill_differs",
        100,
        120,
        -20,
    )


def test_a_bill_whose_lines_never_came_differs_by_all_of_it() -> None:
    found = compared([], [], bills=[bill(7, 100), bill(8, 0)])
    [row] = rows(found)
    assert (row["bill_cents"], row["difference_cents"]) == (100, 100)
    assert "till_cents" not in row


def test_without_bills_none_differs() -> None:
    assert rows(compared([redemption(1, 7, 1)], [line(7, 1, other=9)])) == []


def test_a_basket_that_no_till_can_have_is_a_redemption_without_a_discount() -> None:
    [row] = rows(compared([redemption(1, None, 100)], [line(7, 0)]))
    assert (row["kind"], row["redemption_id"]) == ("redeemed_without_discount", 1)


def test_a_difference_names_the_day_on_which_the_other_side_has_the_basket() -> None:
    monday, tuesday = date(2025, 3, 10), date(2025, 3, 11)
    elsewhere = [
        {"has_it": "till", "basket_id": 7, "day": monday},
        {"has_it": "ledger", "basket_id": 8, "day": tuesday},
        {"has_it": "ledger", "basket_id": 7, "day": tuesday},
    ]
    found = compared([redemption(1, 7, 100), redemption(2, 6, 1)], [line(8, 50), line(9, 1)], other_days=elsewhere)
    told = [(row["kind"][:8], row["basket_id"], row.get("other_day")) for row in rows(found)]
    assert [row for row in told if row[0] != "exported"] == [
        ("redeemed", 6, None),
        ("redeemed", 7, monday),
        ("discount", 8, tuesday),
        ("discount", 9, None),
    ]


BASKET = st.one_of(st.none(), st.integers(1, 4))
CENTS = st.integers(0, 3)
LEDGER = st.lists(st.tuples(BASKET, CENTS, st.booleans()), max_size=6)
TILL = st.lists(st.tuples(st.integers(1, 4), st.integers(-2, 3), st.integers(-2, 3)), max_size=6)
TOLD = st.lists(st.tuples(st.integers(1, 8), BASKET, CENTS), max_size=6)
BILLED = st.dictionaries(st.integers(1, 4), st.integers(-3, 6), max_size=4)


@settings(max_examples=20, deadline=None)
@given(ledger=LEDGER, till=TILL, told=TOLD, billed=BILLED)
def test_differences_explain_the_sums_whatever_the_books_hold(
    ledger: list[Any], till: list[Any], told: list[Any], billed: dict[int, int]
) -> None:
    held = [redemption(number, *row) for number, row in enumerate(ledger, start=1)]
    exported = [redemption(*row) for row in told]
    found = compared(held, [line(*row) for row in till], exported, [bill(*row) for row in billed.items()])
    cents = {kind.name: kind.cents for kind in found.kinds}
    assert found.totals["ledger"] - found.totals["till"] == sum(cents[kind] for kind in list(KINDS)[:3])
    assert found.totals["open"] - found.totals["exported"] == sum(cents[kind] for kind in list(KINDS)[3:5])
    assert found.totals["bill"] - found.totals["billed"] == cents["bill_differs"]
    assert sum(kind.count for kind in found.kinds) == found.differences.num_rows
    assert found.totals["ledger"] == sum(cents for _, cents, _ in ledger)
