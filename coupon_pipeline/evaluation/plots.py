"""Pictures of an evaluation for people: reliability, gains, models side by side; same input, same bytes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from coupon_pipeline.evaluation.ordering import changes
from coupon_pipeline.evaluation.pairs import binary, finite
from coupon_pipeline.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DPI: Final = 120

CURVE_POINTS: Final = 1000
"""Points drawn per curve: more than the picture is wide."""


def reliability(table: pd.DataFrame) -> Figure:
    """Observed against predicted redemption, from the table of `calibration.reliability`."""
    percent = 100 * table[["predicted", "observed"]].to_numpy()
    figure = _figure(6, 6)
    axes = figure.add_subplot()
    # Rates span three decades, and a bin may observe nothing: linear below the smallest rate, so that 0 has a place.
    smallest = percent[percent > 0].min(initial=100)
    axes.set_xscale("symlog", linthresh=smallest)
    axes.set_yscale("symlog", linthresh=smallest)
    axes.plot([0, percent.max()], [0, percent.max()], color="0.6", linestyle="--", label="calibrated")
    axes.plot(percent[:, 0], percent[:, 1], marker="o", linestyle="none", label="bins of predicted probability")
    for point, positives in zip(percent, table["positives"], strict=True):
        axes.annotate(f"{positives:,}", tuple(point), textcoords="offset points", xytext=(7, -12), fontsize=8)
    axes.xaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_major_formatter("{x:g}")
    _describe(axes, "Reliability (numbers: redemptions)", "predicted redemption, %", "observed redemption, %")
    return figure


def gains(labels: ArrayLike, scores: Mapping[str, ArrayLike]) -> Figure:
    """Share of redemptions found against share of pairs issued, best score first, one curve per model.

    0/1 labels and each model's scores are [n]. Raises ValueError as `gains_curve` does.
    """
    figure = _figure(7, 5)
    axes = figure.add_subplot()
    for name, values in scores.items():
        issued, found = gains_curve(labels, values)
        at = np.linspace(0, 1, CURVE_POINTS) ** 2  # denser at the top of the list, where curves are steep
        axes.plot(100 * at, 100 * np.interp(at, issued, found), label=name)
    axes.plot([0, 100], [0, 100], color="0.6", linestyle="--", label="random order")
    _describe(axes, "Gains", "pairs issued, best score first, %", "redemptions found, %")
    return figure


def gains_curve(labels: ArrayLike, scores: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of pairs issued and of redemptions found, both from 0 to 1, at the end of each run of equal scores.

    Raises ValueError if labels and scores [n] differ in number, or no label is 1.
    """
    redeemed, values = binary(labels), finite("scores", scores)
    if len(redeemed) != len(values) or not redeemed.any():
        raise ValueError(
            f"{len(values)} scores for {len(redeemed)} labels with {int(redeemed.sum())} redemptions: "
            "give one score per pair, and at least one redemption"
        )
    order = np.argsort(-values, kind="stable")
    ends = np.append(np.flatnonzero(changes(values[order])), len(order))
    found = np.append(0, np.cumsum(redeemed[order]))[ends]
    return ends / len(order), found / found[-1]


def comparison(metrics: Mapping[str, Mapping[str, float]]) -> Figure:
    """One panel per metric, one bar per model, from `metrics[model][metric]`.

    Raises ValueError if there is no model, or if models differ in their metrics.
    """
    models = list(metrics)
    names = list(metrics[models[0]]) if models else []
    for model in models:
        if metrics[model].keys() != set(names):
            raise ValueError(f"model {model!r} has the metrics {list(metrics[model])}, not {names}: give all the same")
    if not names:
        raise ValueError("metrics is empty: give at least one model with one metric")
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = _figure(3 * columns + 1, rows * (0.8 + 0.35 * len(models)))
    panels = np.ravel(figure.subplots(rows, columns, squeeze=False, sharey=True))
    for axes, name in zip(panels, names, strict=False):
        _bars(axes, name, {model: metrics[model][name] for model in models})
    for axes in panels[len(names) :]:
        axes.remove()
    panels[0].invert_yaxis()  # shared by all panels: the first model on top
    return figure


def save(figure: Figure, path: Path) -> None:
    """Write a PNG, atomically; without matplotlib's version in it, so that equal pictures are equal files."""
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", metadata={"Software": None})


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), dpi=DPI, layout="constrained")


def _bars(axes: Axes, title: str, values: Mapping[str, float]) -> None:
    bars = axes.barh(list(values), list(values.values()), color=[f"C{n % 10}" for n in range(len(values))])
    axes.bar_label(bars, fmt="{:.3f}", padding=3, fontsize=8)
    axes.set_title(title, fontsize=10)
    axes.margins(x=0.25)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def _describe(axes: Axes, title: str, x: str, y: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(color="0.9")
    axes.set_axisbelow(True)
    axes.legend(loc="best", frameon=False)
