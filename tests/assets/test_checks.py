"""The checks of a table say in the UI what broke, where, and what follows from it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import dagster as dg

from assets.checks import MOST_RECORDS, Summary, check_names, check_results, check_specs, page_link

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.verdict import Outcome

TILLS = reader.load("pos_transactions")
KEY = dg.AssetKey(["shop", "clean", "pos_transactions"])
FIRST, SECOND = "2025-03-03", "2025-03-10"


def outcome(rule_id: str, failed: int, *examples: str) -> Outcome:
    rule = TILLS.rule(rule_id)
    return Outcome(rule.id, rule.dimension, rule.severity, failed, examples=examples)


def week(name: str, *outcomes: Outcome, share: float = 0.0, reasons: tuple[str, ...] = ()) -> Summary:
    return Summary(name, 100, 100, 0, share, not reasons, outcomes, reasons)


def results(*summaries: Summary) -> dict[str, dg.AssetCheckResult]:
    return {str(result.check_name): result for result in check_results(TILLS, KEY, summaries)}


def records(result: dg.AssetCheckResult, name: str = "findings") -> list[dict[str, Any]]:
    table = result.metadata[name]
    assert isinstance(table, dg.TableMetadataValue)
    return [dict(record.data) for record in table.records]


def test_there_is_one_result_per_check_however_many_weeks_a_run_has() -> None:
    found = list(check_results(TILLS, KEY, [week(FIRST), week(SECOND)]))
    assert [result.check_name for result in found] == check_names(TILLS)
    assert [spec.name for spec in check_specs(TILLS, KEY)] == check_names(TILLS)
    assert all(result.passed for result in found)


def test_quarantined_rows_are_a_warning_with_the_worst_first() -> None:
    conformity = results(
        week(FIRST, outcome("quantity.range", 2, "quantity=-1")),
        week(SECOND, outcome("quantity.range", 7, "quantity=-9"), outcome("line_kind.enum", 5, "line_kind=x")),
    )["conformity"]
    assert not conformity.passed
    assert conformity.severity is dg.AssetCheckSeverity.WARN
    assert [(each["week"], each["rule"], each["rows"]) for each in records(conformity)] == [
        (SECOND, "quantity.range", 7),
        (SECOND, "line_kind.enum", 5),
        (FIRST, "quantity.range", 2),
    ]
    assert records(conformity)[0]["example"] == "quantity=-9"
    assert records(conformity)[0]["reason"] == TILLS.rule("quantity.range").reason
    assert conformity.metadata["counts"] == dg.MetadataValue.json({"quantity.range": 9, "line_kind.enum": 5})


def test_a_table_rule_that_blocks_is_an_error_with_its_figure_and_its_sentence() -> None:
    empty = replace(outcome("volume", 1), observed=12.0)
    coverage = results(week(FIRST), week(SECOND, empty, reasons=("too few rows",)))["coverage"]
    assert coverage.severity is dg.AssetCheckSeverity.ERROR
    assert records(coverage)[0] == {
        "week": SECOND,
        "rule": "volume",
        "action": "block",
        "rows": None,
        "example": "found 12",
        "reason": TILLS.rule("volume").reason,
    }
    assert coverage.metadata[SECOND] == dg.MetadataValue.text("too few rows")
    assert FIRST not in coverage.metadata


def test_a_rule_that_could_not_run_is_an_error() -> None:
    lost = replace(outcome("quantity.range", 0), could_run=False)
    conformity = results(week(FIRST, lost, reasons=("it could not run",)))["conformity"]
    assert conformity.severity is dg.AssetCheckSeverity.ERROR
    assert records(conformity)[0]["example"] == "could not run"


def test_a_long_list_is_cut_and_says_so() -> None:
    weeks = [week(f"2025-01-{day:02}", outcome("quantity.range", day)) for day in range(1, 32)]
    twice = [replace(each, week=each.week.replace("-01-", "-03-")) for each in weeks]
    conformity = results(*weeks, *twice)["conformity"]
    assert len(records(conformity)) == MOST_RECORDS
    assert conformity.metadata["not_shown"] == dg.MetadataValue.int(62 - MOST_RECORDS)


def test_too_many_bad_rows_are_an_error_of_the_share() -> None:
    share = results(week(FIRST, share=0.5, reasons=("half of it is bad",)))["quarantine_share"]
    assert not share.passed
    assert share.severity is dg.AssetCheckSeverity.ERROR
    assert share.metadata[FIRST] == dg.MetadataValue.text("half of it is bad")


def test_an_additional_column_is_recorded_while_the_schema_passes() -> None:
    wider = outcome("columns.extra", 1, "floor")
    schema = results(week(FIRST, wider), week(SECOND, wider))["schema"]
    assert schema.passed
    assert records(schema, "additional_columns") == [{"column": "floor", "weeks": f"{FIRST}, {SECOND}"}]


def test_a_missing_column_is_an_error_of_the_schema() -> None:
    schema = results(week(FIRST, outcome("columns.present", 1), reasons=("store_id is missing",)))["schema"]
    assert not schema.passed
    assert schema.metadata[FIRST] == dg.MetadataValue.text("store_id is missing")


def test_the_checks_of_an_optional_table_stop_nothing() -> None:
    assert all(spec.blocking for spec in check_specs(TILLS, KEY))
    assert not any(spec.blocking for spec in check_specs(reader.load("bills"), KEY))


def test_a_page_is_linked_by_a_path_that_can_be_opened(tmp_path: Path) -> None:
    assert page_link(tmp_path / "index.html") == dg.MetadataValue.path(tmp_path / "index.html")
