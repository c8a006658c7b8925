"""Pictures of a calibration: quantiles, scalars and shares of the world against those of the real households."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from coupon_pipeline.evaluation.plots import save
from coupon_pipeline.simulation.calibration.moments import Moments
from coupon_pipeline.simulation.calibration.verdicts import Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEVELS: Final = np.linspace(0.01, 0.99, 99)
COLUMNS: Final = 4
DPI: Final = 100
WIDE: Final = 30
"""Quantiles that span more than this factor are drawn on logarithmic axes."""
COLOURS: Final = {"ok": "tab:green", "missed": "tab:red", "report": "tab:gray"}


def write_plots(simulated: Moments, targets: Moments, rows: Sequence[Row], folder: Path) -> list[Path]:
    """Write the three pictures to a folder; returns their paths."""
    figures = {
        "quantiles.png": quantiles(simulated, targets, rows),
        "scalars.png": scalars([row for row in rows if row.measure == "relative"]),
        "shares.png": shares(simulated.shares, targets.shares),
    }
    for name, figure in figures.items():
        save(figure, folder / name)
    return [folder / name for name in figures]


def quantiles(simulated: Moments, targets: Moments, rows: Sequence[Row]) -> Figure:
    """One panel per distribution: simulated against real quantiles; on the line, they are equal."""
    shown = [row for row in rows if row.measure == "KS" and row.name in simulated.distributions]
    lines = max(1, -(-len(shown) // COLUMNS))
    figure = _figure(3.2 * COLUMNS, 3.0 * lines, constrained=False)
    # Margins by hand: finding them would draw the many panels three times.
    figure.subplots_adjust(left=0.06, right=0.98, bottom=0.2 / lines, top=1 - 0.18 / lines, wspace=0.25, hspace=0.35)
    panels = np.ravel(figure.subplots(lines, COLUMNS, squeeze=False))
    for axes, row in zip(panels, shown, strict=False):
        real = targets.distributions[row.name].quantiles(LEVELS)
        ours = simulated.distributions[row.name].quantiles(LEVELS)
        low, high = min(real.min(), ours.min()), max(real.max(), ours.max())
        axes.plot([low, high], [low, high], color="0.6", linestyle="--", linewidth=1)
        axes.plot(real, ours, marker=".", markersize=4, linestyle="none", color=COLOURS[row.verdict])
        _scaled(axes, logarithmic=high > WIDE * low > 0)
        axes.set_title(f"{row.name}\nKS {row.distance:.3f}{_within(row)}", fontsize=8)
    for axes in panels[len(shown) :]:
        axes.remove()
    figure.supxlabel("quantiles of the real households", fontsize=9)
    figure.supylabel("quantiles of the world", fontsize=9)
    return figure


def scalars(rows: Sequence[Row]) -> Figure:
    """One bar per scalar: how far the world is from the real households, in percent; gray bands are tolerances."""
    figure = _figure(9, 1 + 0.26 * max(1, len(rows)))
    axes = figure.add_subplot()
    finite = [row for row in rows if np.isfinite(row.value)]
    places = np.arange(len(finite))
    off = [100 * (row.value / row.target - 1) for row in finite]
    bars = axes.barh(places, off, color=[COLOURS[row.verdict] for row in finite], height=0.6)
    axes.bar_label(bars, labels=[f"{row.value:.3g} ({row.target:.3g})" for row in finite], padding=3, fontsize=7)
    widths = [200 * (row.tolerance or 0) for row in finite]
    axes.barh(places, widths, left=[-width / 2 for width in widths], color="0.92", height=0.9, zorder=0)
    axes.axvline(0, color="0.6", linewidth=1)
    axes.set_yticks(places, [row.name for row in finite])
    axes.invert_yaxis()
    axes.margins(x=0.25)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("difference from the real households, %; beside each bar: the world (real)", fontsize=8)
    return figure


def shares(simulated: Mapping[str, Mapping[str, float]], targets: Mapping[str, Mapping[str, float]]) -> Figure:
    """One panel per table of shares: a point per label, those of only one side left out."""
    figure = _figure(5.5 * max(1, len(targets)), 5)
    for axes, name in zip(np.ravel(figure.subplots(1, max(1, len(targets)), squeeze=False)), targets, strict=False):
        ours, real = simulated.get(name, {}), targets[name]
        both = [label for label in real if ours.get(label, 0) > 0 and real[label] > 0]
        points = np.array([[real[label], ours[label]] for label in both]).reshape(-1, 2)
        if len(points):
            axes.plot([points.min(), points.max()], [points.min(), points.max()], color="0.6", linestyle="--")
        axes.plot(points[:, 0], points[:, 1], marker=".", linestyle="none")
        _scaled(axes, logarithmic=len(points) > 0)
        axes.set_title(name, fontsize=9)
        axes.set_xlabel("real households", fontsize=8)
        axes.set_ylabel("world", fontsize=8)
    return figure


def _within(row: Row) -> str:
    return "" if row.tolerance is None else f" (tolerance {row.tolerance:g})"


def _scaled(axes: Axes, logarithmic: bool) -> None:
    if logarithmic:
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_major_formatter("{x:g}")
    axes.tick_params(labelsize=7)
    axes.grid(color="0.92")
    axes.set_axisbelow(True)


def _figure(width: float, height: float, constrained: bool = True) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained" if constrained else None)
