"""The calibration report: every moment with its target and verdict, as a table, as JSON and as pictures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.table import Table

from coupon_pipeline.commands.outcome import OUT, Outcome, shown, write_json
from coupon_pipeline.simulation.calibration.coupons import coupon_rows
from coupon_pipeline.simulation.calibration.distribution import Distribution
from coupon_pipeline.simulation.calibration.moments import Moments
from coupon_pipeline.simulation.calibration.plots import write_plots
from coupon_pipeline.simulation.calibration.verdicts import Row, verdicts

VERB: Final = "simulate-report"
STYLES: Final = {"ok": "[green]ok[/]", "missed": "[red]missed[/]", "report": ""}


def report(
    simulated: Moments, targets: Moments, coupons: Mapping[str, float], console: Console, folder: Path = OUT
) -> bool:
    """Print the rows, write `simulate-report.json` and the pictures beside it; returns whether no moment is missed.

    `coupons` is what `coupon_moments` found, empty without coupons.
    """
    rows = verdicts(simulated, targets)
    printed_only = coupon_rows(coupons) if coupons else []
    _print_table([*rows, *printed_only], simulated, targets, console)
    write_json(VERB, outcomes([*rows, *printed_only]), folder)
    for path in write_plots(simulated, targets, rows, folder / VERB):
        console.print(f"picture: {path}", highlight=False)
    missed = [row.name for row in rows if row.verdict == "missed"]
    judged = sum(row.tolerance is not None for row in rows)
    console.print(
        f"{judged - len(missed)} of {judged} moments within tolerance"
        + (f"; missed: {', '.join(missed)}" if missed else ""),
        highlight=False,
    )
    return not missed


def outcomes(rows: Sequence[Row]) -> list[Outcome]:
    """The rows for programs: the value beside its target, then the distance with its bar."""
    found: list[Outcome] = []
    for row in rows:
        if math.isfinite(row.value):
            found.append(Outcome(row.name, row.value, baseline=row.target))
        if row.tolerance is not None:
            # JSON has no NaN; a moment that could not be measured is as far off as can be.
            distance = row.distance if math.isfinite(row.distance) else 1.0
            found.append(Outcome(f"{row.name}: distance", distance, row.measure, op="<=", bar=row.tolerance))
    return found


def _print_table(rows: Sequence[Row], simulated: Moments, targets: Moments, console: Console) -> None:
    table = Table(
        title="The world beside the real households (distributions: mean / median / 95%)",
        title_justify="left",
        box=None,
        padding=(0, 1),
    )
    # At 80 columns the names take two lines, never the figures.
    table.add_column("", min_width=16)
    for name in ("simulated", "real", "off", "bar", ""):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    for row in rows:
        table.add_row(
            row.name,
            _figures(simulated.distributions.get(row.name), row.value),
            _figures(targets.distributions.get(row.name), row.target),
            f"{row.distance:.3f}",
            "" if row.tolerance is None else f"{row.tolerance:g}",
            STYLES[row.verdict],
        )
    console.print(table)


def _figures(distribution: Distribution | None, value: float) -> str:
    if distribution is not None:
        return " / ".join(f"{figure:.3g}" for figure in (distribution.mean, distribution.median, distribution.p95))
    return shown(value) if math.isfinite(value) else ""
