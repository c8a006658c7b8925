"""A column is reconciled with rows of another table known by then; nulls and strangers are left alone."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from tests.contracts.deliveries import WEEKS

from coupon_pipeline.contracts.contract import Rule
from coupon_pipeline.contracts.judging.reconciling import differences, measured


def rule(how: str = "sum", of: str = "cents", weeks_back: int = 1) -> Rule:
    kwargs = {
        "column": "total",
        "key": "bill",
        "other": "tills.basket",
        "how": how,
        "of": of,
        "tolerance": 0,
        "weeks_back": weeks_back,
    }
    return Rule(
        "total_matches",
        "row",
        "accuracy",
        "warning",
        "the total must match",
        "warn",
        ("bill", "total"),
        "expect_column_values_to_reconcile",
        MappingProxyType(kwargs),
        "tills.basket",
    )


def tills(*rows: tuple[int | None, int | None]) -> pa.Table:
    baskets, cents = zip(*rows, strict=True)
    return pa.table({"basket": pa.array(baskets, pa.int64()), "cents": pa.array(cents, pa.int64())})


def compared(one: Rule, other: dict[str, pa.Table], *bills: tuple[int | None, int | None, str]) -> list[Any]:
    table = pa.table(
        {
            "bill": pa.array([bill for bill, _, _ in bills], pa.int64()),
            "total": pa.array([total for _, total, _ in bills], pa.int64()),
        }
    )
    weeks = np.array([week for _, _, week in bills], "datetime64[D]")
    found = differences(one, table, weeks, measured(one, other))
    return [None if np.isnan(value) else value for value in found]


def test_the_difference_is_taken_row_by_row() -> None:
    other = {WEEKS[1]: tills((1, 200), (1, 50), (2, 70))}
    assert compared(rule(), other, (1, 250, WEEKS[1]), (2, 100, WEEKS[1])) == [0, 30]


def test_a_row_without_a_counterpart_or_without_a_value_is_left_alone() -> None:
    other = {WEEKS[1]: tills((1, 200), (None, 3), (2, None))}
    bills = [(9, 250, WEEKS[1]), (None, 3, WEEKS[1]), (1, None, WEEKS[1]), (2, 5, WEEKS[1])]
    assert compared(rule(), other, *bills) == [None] * 4


@pytest.mark.parametrize(("weeks_back", "difference"), [(0, 50), (1, 0), (5, 0)])
def test_what_was_known_in_the_weeks_before_counts_as_far_as_the_rule_says(weeks_back: int, difference: int) -> None:
    other = {WEEKS[0]: tills((1, 50)), WEEKS[1]: tills((1, 200)), WEEKS[2]: tills((1, 999))}
    assert compared(rule(weeks_back=weeks_back), other, (1, 250, WEEKS[1])) == [difference]


def test_the_largest_may_be_meant_instead_of_the_sum() -> None:
    assert compared(rule("max"), {WEEKS[1]: tills((1, 200), (1, 50))}, (1, 200, WEEKS[1])) == [0]


def test_lines_are_counted_by_an_expression_over_the_other_table() -> None:
    one = rule(of="case when cents >= 0 then 1 else -1 end")
    assert compared(one, {WEEKS[1]: tills((1, 200), (1, -50), (1, 3))}, (1, 1, WEEKS[1])) == [0]


def test_a_table_without_rows_reconciles_with_nothing() -> None:
    assert compared(rule(), {}, (1, 250, WEEKS[1])) == [None]
