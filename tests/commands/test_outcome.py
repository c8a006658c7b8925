"""A command reports figures: a table for people, the same rows as JSON for programs."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Literal

import pytest
from rich.console import Console

from coupon_pipeline.commands.outcome import Outcome, print_table, shown, write_json


def printed(*outcomes: Outcome) -> str:
    stream = io.StringIO()
    print_table("Report", outcomes, Console(file=stream, width=120))
    return stream.getvalue()


@pytest.mark.parametrize(
    ("value", "op", "passed"),
    [
        (0.93, ">=", True),
        (0.92, ">=", True),
        (0.91, ">=", False),
        (0.91, "<=", True),
        (0.92, "<=", True),
        (0.93, "<=", False),
    ],
)
def test_a_bar_holds_up_to_and_including_its_value(value: float, op: Literal[">=", "<="], passed: bool) -> None:
    assert Outcome("auc", value, op=op, bar=0.92).passed is passed


@pytest.mark.parametrize("op", [">=", "<="])
def test_a_figure_that_is_not_a_number_misses_every_bar(op: Literal[">=", "<="]) -> None:
    assert Outcome("auc", float("nan"), op=op, bar=0.5).passed is False


def test_without_a_bar_nothing_is_passed_or_missed() -> None:
    assert Outcome("rows", 5).passed is None


def test_a_text_is_not_judged() -> None:
    assert Outcome("model", "champion", op=">=", bar=1).passed is None


def test_the_rows_are_written_as_json_with_their_verdict(tmp_path: Path) -> None:
    outcomes = [Outcome("auc", 0.93, "", 0.91, ">=", 0.925), Outcome("week", "2017-05-01")]
    path = write_json("evaluate", outcomes, tmp_path / "out")
    assert path == tmp_path / "out" / "evaluate.json"
    assert json.loads(path.read_text()) == [
        {"name": "auc", "value": 0.93, "unit": "", "baseline": 0.91, "op": ">=", "bar": 0.925, "passed": True},
        {"name": "week", "value": "2017-05-01", "unit": "", "baseline": None, "op": None, "bar": None, "passed": None},
    ]


def test_a_report_replaces_the_one_before(tmp_path: Path) -> None:
    write_json("run", [Outcome("rows", 1), Outcome("more", 2)], tmp_path)
    path = write_json("run", [Outcome("rows", 3)], tmp_path)
    assert [row["value"] for row in json.loads(path.read_text())] == [3]
    assert list(tmp_path.iterdir()) == [path]


def test_a_table_without_bars_has_no_columns_for_them() -> None:
    text = printed(Outcome("rows", 1_469_307, "rows"))
    assert "Report" in text
    assert "1,469,307" in text
    assert "baseline" not in text
    assert "bar" not in text


def test_a_table_says_which_bars_hold_and_which_are_missed() -> None:
    lines = printed(
        Outcome("auc", 0.93, baseline=0.91, op=">=", bar=0.925),
        Outcome("latency", 12.0, "ms", op="<=", bar=10),
        Outcome("rows", 5),
    ).splitlines()
    auc, latency, rows = (
        next(line for line in lines if line.startswith(f"  {name}")) for name in ("auc", "lat", "rows")
    )
    assert auc.split() == ["auc", "0.93", "0.91", ">=", "0.925", "ok"]
    assert latency.split() == ["latency", "12.0", "ms", "<=", "10", "missed"]
    assert rows.split() == ["rows", "5"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1_469_307, "1,469,307"),
        (0, "0"),
        (0.92871, "0.9287"),
        (-0.00123456, "-0.001235"),
        (12.345, "12.3"),
        (-1234.56, "-1,234.6"),
        ("2017-05-01", "2017-05-01"),
    ],
)
def test_a_figure_is_shown_as_a_person_reads_it(value: float | str, text: str) -> None:
    assert shown(value) == text
