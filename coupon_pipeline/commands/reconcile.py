"""`make reconcile`: holds a day's redemptions against tills, export and bills, and lists every difference."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from assets.pipeline import Pipeline

from coupon_pipeline.commands.outcome import OUT
from coupon_pipeline.files import write_text
from coupon_pipeline.reconciling.comparing import of_day
from coupon_pipeline.reconciling.day import KINDS, Reconciled
from coupon_pipeline.reconciling.opening import opened
from coupon_pipeline.reconciling.reading import waiting_lines
from coupon_pipeline.reconciling.span import Span
from coupon_pipeline.weeks import UnknownWeekError

SHOWN = 5
"""Differences of a kind that are printed, the largest ones; the file has all."""
WIDTH = 100
"""Characters of a line where the output is no terminal."""
COLUMNS = (
    "kind",
    "basket_id",
    "store_id",
    "ledger_cents",
    "till_cents",
    "exported_cents",
    "bill_cents",
    "difference_cents",
    "other_day",
)


@dataclass(frozen=True)
class Day:
    """What a day comes to, and how many of its till lines wait in quarantine."""

    span: Span
    found: Reconciled
    waiting: int


def show_day(pipeline: Pipeline, day: str, console: Console, folder: Path = OUT) -> int:
    """Print the differences of a store-local day, write `<folder>/reconcile.json`; returns how many there are.

    Raises UnknownWeekError for a day without books, SourceError without a ledger, MissingWeekError without its tills.
    """
    asked = parsed(day)
    with console.status(f"[bold]reconcile[/] {day}"), opened(pipeline.settings) as database:
        span = Span.of(pipeline.store, asked)
        compared = of_day(pipeline.store, pipeline.source, database, span)
        found = Day(span, compared, waiting_lines(pipeline.store, span))
    path = folder / "reconcile.json"
    write_text(path, json.dumps(_document(day, found), indent=2, default=str) + "\n")
    _print(found, pipeline.source.currency, path, console)
    return found.found.differences.num_rows


def parsed(day: str) -> date:
    """The day that a text names; raises UnknownWeekError."""
    try:
        return date.fromisoformat(day)
    except ValueError:
        raise UnknownWeekError(f"day {day!r} is none: give it as YYYY-MM-DD") from None


def _document(day: str, found: Day) -> dict[str, object]:
    return {
        "day": day,
        "known_before": found.span.instant.isoformat(),
        "waiting_lines": found.waiting,
        "totals_cents": found.found.totals,
        "kinds": [{"kind": kind.name, "count": kind.count, "cents": kind.cents} for kind in found.found.kinds],
        "differences": found.found.differences.to_pylist(),
    }


def _print(found: Day, currency: str, path: Path, console: Console) -> None:
    def say(line: str) -> None:
        console.print(line, highlight=False, soft_wrap=True)

    totals, rows = found.found.totals, found.found.differences
    wide = console if console.is_terminal or console.width >= WIDTH else Console(file=console.file, width=WIDTH)
    _print_kinds(found.found, wide)
    largest = largest_of(found.found)
    if largest:
        _print_rows(largest, wide)
    if rows.num_rows > len(largest):
        say(f"{rows.num_rows - len(largest)} more in {path}")
    say(
        f"ledger {totals['ledger'] / 100:,.2f} {currency}, tills {totals['till'] / 100:,.2f}: "
        f"the {rows.num_rows:,} differences listed in {path} explain the rest to the cent"
        if rows.num_rows
        else f"ledger and tills agree on {totals['ledger'] / 100:,.2f} {currency}"
    )
    elsewhere = rows.num_rows - rows["other_day"].null_count
    if elsewhere:
        say(f"{elsewhere:,} of them are baskets that the other side has on another day, where they come again")
    if found.waiting:
        say(f"{found.waiting:,} till lines of the day wait in quarantine and are not compared: `make quarantine`")


def _print_kinds(found: Reconciled, console: Console) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    table.add_column("difference")
    for name in ("rows", "cents"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("meaning")
    for kind in found.kinds:
        table.add_row(kind.name, f"{kind.count:,}", f"{kind.cents:,}", KINDS[kind.name])
    console.print(table)


def _print_rows(rows: Sequence[dict[str, Any]], console: Console) -> None:
    """The columns that one of the rows fills."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False)
    names = [name for name in COLUMNS if any(row[name] is not None for row in rows)]
    for name in names:
        heading = name.removesuffix("_cents").removesuffix("_id")
        table.add_column(heading, justify="left" if name == "kind" else "right", no_wrap=name != "kind")
    for row in rows:
        table.add_row(*("" if row[name] is None else str(row[name]) for name in names))
    console.print(table)


def largest_of(found: Reconciled) -> list[dict[str, Any]]:
    """The differences of each kind that are most money, `SHOWN` at most."""
    rows = found.differences.to_pylist()
    rows.sort(key=lambda row: -abs(row["difference_cents"]))
    return [row for kind in KINDS for row in [row for row in rows if row["kind"] == kind][:SHOWN]]
