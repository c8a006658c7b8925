"""Rows that a command reports: a table for people, the same rows as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.table import Table

from coupon_pipeline.files import write_text

OUT = Path("out")
VERDICTS = {None: "", True: "[green]ok[/]", False: "[red]missed[/]"}


@dataclass(frozen=True)
class Outcome:
    """One figure; with a bar, also whether it holds."""

    name: str
    value: float | str
    unit: str = ""
    baseline: float | None = None
    op: Literal[">=", "<="] | None = None
    bar: float | None = None

    @property
    def passed(self) -> bool | None:
        """Whether the bar holds; None without one."""
        if self.bar is None or not isinstance(self.value, float | int):
            return None
        return self.value >= self.bar if self.op == ">=" else self.value <= self.bar


def write_json(verb: str, outcomes: Sequence[Outcome], folder: Path = OUT) -> Path:
    """Write the rows to `<folder>/<verb>.json`."""
    path = folder / f"{verb}.json"
    rows = [asdict(outcome) | {"passed": outcome.passed} for outcome in outcomes]
    write_text(path, json.dumps(rows, indent=2) + "\n")
    return path


def print_table(title: str, outcomes: Sequence[Outcome], console: Console) -> None:
    """Print the rows; columns that no row fills are left out."""
    table = Table(title=title, title_justify="left", box=None, padding=(0, 2))
    columns = {
        "": [outcome.name for outcome in outcomes],
        "value": [shown(outcome.value) for outcome in outcomes],
        "unit": [outcome.unit for outcome in outcomes],
        "baseline": ["" if outcome.baseline is None else shown(outcome.baseline) for outcome in outcomes],
        "bar": ["" if outcome.bar is None else f"{outcome.op} {shown(outcome.bar)}" for outcome in outcomes],
        "verdict": [VERDICTS[outcome.passed] for outcome in outcomes],
    }
    filled = {name: cells for name, cells in columns.items() if any(cells)}
    for name in filled:
        table.add_column(name, justify="right" if name in {"value", "baseline"} else "left")
    for row in zip(*filled.values(), strict=True):
        table.add_row(*row)
    console.print(table)


def shown(value: float | str) -> str:
    """A figure as a person reads it."""
    if isinstance(value, str):
        return value
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4g}" if abs(value) < 10 else f"{value:,.1f}"
