"""A week as a whole is held to fixed bounds, and to the clean weeks before where there are enough of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

import pyarrow as pa
import pytest

from tests.contracts.deliveries import WEEKS, beside, check, coupon, coupons

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.compiling import named_rules as kinds
from coupon_pipeline.contracts.contract import Contract, Rule
from coupon_pipeline.contracts.judging.seen import NO_KEYS
from coupon_pipeline.contracts.judging.surroundings import Past
from coupon_pipeline.contracts.judging.table_rules import held, profile
from coupon_pipeline.contracts.judging.verdict import Outcome, Verdict
from coupon_pipeline.contracts.lineage import Lineage

NOON = datetime(2025, 3, 10)


def rule(expectation: str, column: str | None = None, **kwargs: float | None) -> Rule:
    columns = () if column is None else (column,)
    given = kwargs if column is None else {"column": column, **kwargs}
    return Rule(
        "bound", "table", "coverage", "error", "it must hold", "block", columns, expectation, MappingProxyType(given)
    )


def with_rule(added: Rule) -> Contract:
    contract = reader.load("coupons")
    return replace(contract, rules=(*(one for one in contract.rules if one.scope == "row" or not one.line), added))


def bound(verdict: Verdict) -> Outcome:
    return next(one for one in verdict.outcomes if one.rule == "bound")


def past(**figures: float) -> list[Past]:
    return [Past(f"2025-0{month}-03", figures, NO_KEYS) for month in (1, 2) for _ in range(2)]


@pytest.mark.parametrize(("rows", "passed"), [(1, False), (2, True), (8, True), (9, False)])
def test_volume_is_held_to_the_median_of_the_weeks_before(rows: int, passed: bool) -> None:
    contract = with_rule(rule(kinds.ROW_COUNT_NEAR, min_ratio=0.5, max_ratio=2.0))
    table = coupons(*(coupon(coupon_id=str(n + 1)) for n in range(rows)))
    (verdict,) = check(contract, table, surroundings=beside(past=past(rows=4.0)))
    assert verdict.passed == passed
    assert bound(verdict).observed == rows
    if not passed:
        assert f"it must hold, found {rows} (rule bound)" in verdict.reasons[0]


def test_fewer_than_four_clean_weeks_hold_nothing() -> None:
    contract = with_rule(rule(kinds.ROW_COUNT_NEAR, min_ratio=0.5, max_ratio=2.0))
    (verdict,) = check(contract, coupons(coupon()), surroundings=beside(past=past(rows=40.0)[:3]))
    assert verdict.passed
    assert not bound(verdict).applied


def test_weeks_of_the_same_run_count_once_they_have_passed() -> None:
    contract = with_rule(rule(kinds.ROW_COUNT_NEAR, min_ratio=0.5, max_ratio=2.0))
    good = [coupons(*(coupon(week, coupon_id=str(n + 1)) for n in range(4))) for week in WEEKS[:2]]
    before = past(rows=4.0)[:2]
    verdicts = check(contract, *good, coupons(coupon(WEEKS[2])), surroundings=beside(past=before))
    assert [bound(one).applied for one in verdicts] == [False, False, True]
    assert [one.passed for one in verdicts] == [True, True, False]


def test_copies_and_bad_rows_count_as_rows_and_not_in_the_mean() -> None:
    contract = with_rule(rule(kinds.MEAN, "face_value_cents", min_value=0, max_value=100))
    contract = replace(contract, quarantine_max_percent=100.0)
    rows = [coupon(), coupon(), coupon(coupon_id="2", face_value_cents="100"), coupon(coupon_id="3", campaign_id="77")]
    (verdict,) = check(contract, coupons(*rows))
    assert dict(verdict.profile) == {"rows": 3.0, "mean(face_value_cents)": 75.0}


@pytest.mark.parametrize(
    ("one", "figures", "before", "holds", "applied"),
    [
        (rule(kinds.MEAN, "x", min_value=1, max_value=None), {"mean(x)": 0.5}, [], False, True),
        (rule(kinds.MEAN, "x", min_value=1, max_value=None), {}, [], True, False),
        (rule(kinds.MEAN_NEAR, "x", min_ratio=0.5, max_ratio=2), {"mean(x)": 9.0}, [4.0] * 4, False, True),
        (rule(kinds.MEAN_NEAR, "x", min_ratio=0.5, max_ratio=2), {"mean(x)": 8.0}, [1.0, 4.0, 4.0, 9.0], True, True),
        (rule(kinds.MEAN_NEAR, "x", min_ratio=0.5, max_ratio=2), {"mean(x)": 8.0}, [0.0] * 5, True, False),
        (rule(kinds.PRESENT, "x", min_value=0.9, max_value=1), {"present(x)": 0.8}, [], False, True),
        (rule(kinds.PRESENT_NEAR, "x", max_change=0.1), {"present(x)": 0.8}, [0.95] * 4, False, True),
        (rule(kinds.PRESENT_NEAR, "x", max_change=0.1), {"present(x)": 0.8}, [0.85] * 4, True, True),
        (rule(kinds.PRESENT_NEAR, "x", max_change=0.1), {"present(x)": 0.1}, [0.95] * 3, True, False),
    ],
)
def test_each_kind_bounds_its_figure(
    one: Rule, figures: dict[str, float], before: list[float], holds: bool, applied: bool
) -> None:
    (name,) = figures or {"none": 0.0}
    found = held(one, figures, [{name: value} for value in before], None, NOON)
    assert (found.holds, found.applied) == (holds, applied)


def test_a_file_without_a_record_is_found_and_named() -> None:
    contract = with_rule(rule(kinds.FILES, max_empty=0))
    whole = Lineage((("2025-03-03/coupons.csv", 1, 1),))
    cut = Lineage(whole.runs, ("2025-03-04/coupons.csv",))
    good, bad = (check(contract, one.attached(coupons(coupon())))[0] for one in (whole, cut))
    assert (good.passed, bad.passed) == (True, False)
    assert "it must hold, found 2025-03-04/coupons.csv (rule bound)" in bad.reasons[0]


def test_the_profile_has_what_the_rules_bound_and_no_more() -> None:
    clean = pa.table({"face_value_cents": pa.array([10, None, 30]), "min_quantity": [1, 1, 1]})
    contract = with_rule(rule(kinds.PRESENT, "face_value_cents", min_value=0, max_value=1))
    assert dict(profile(contract, clean, 3)) == {"rows": 3.0, "present(face_value_cents)": pytest.approx(2 / 3)}
    assert dict(profile(contract, clean.slice(0, 0), 0)) == {"rows": 0.0}
