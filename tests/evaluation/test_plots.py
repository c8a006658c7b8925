"""Pictures: what they show, and that equal input gives equal files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tests.evaluation.campaigns import random_campaign

from coupon_pipeline.evaluation import calibration, plots
from coupon_pipeline.evaluation.ordering import Ordering

CAMPAIGN = random_campaign(households=40, coupons=25, seed=1)
MODELS = {
    "model": {"auc": 0.93, "ap": 0.09, "recall_at_16": 0.7},
    "habit": {"auc": 0.68, "ap": 0.01, "recall_at_16": 0},
}


def test_the_gains_of_a_campaign_worked_by_hand() -> None:
    issued, found = plots.gains_curve([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1])
    assert issued.tolist() == [0, 0.25, 0.75, 1]
    assert found.tolist() == [0, 0.5, 1, 1]


def test_the_area_under_the_gains_curve_follows_from_the_auc() -> None:
    issued, found = plots.gains_curve(CAMPAIGN.labels, CAMPAIGN.scores)
    labels = CAMPAIGN.labels.astype(bool)
    auc = Ordering.of(labels, CAMPAIGN.scores).tally(np.ones(len(labels), dtype=np.int64)).auc()
    rate = labels.mean()
    assert np.trapezoid(found, issued) == pytest.approx(rate / 2 + (1 - rate) * auc)


def test_gains_draws_each_model_and_the_random_order() -> None:
    (axes,) = plots.gains(CAMPAIGN.labels, {"model": CAMPAIGN.scores, "flat": np.zeros(1000)}).axes
    assert axes.get_legend_handles_labels()[1] == ["model", "flat", "random order"]
    model, flat, diagonal = (np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines())
    assert model[[0, -1]].tolist() == flat[[0, -1]].tolist() == diagonal.tolist() == [0, 100]
    assert model[len(model) // 2] > flat[len(flat) // 2]


def test_reliability_draws_one_point_per_bin_with_its_redemptions() -> None:
    table = calibration.reliability(CAMPAIGN.labels, CAMPAIGN.scores)
    (axes,) = plots.reliability(table).axes
    points = np.asarray(axes.get_lines()[1].get_xydata(), dtype=float)
    assert points == pytest.approx(100 * table[["predicted", "observed"]].to_numpy())
    assert [text.get_text() for text in axes.texts] == [str(count) for count in table["positives"]]


def test_a_bin_without_a_redemption_has_its_place_on_the_axis(tmp_path: Path) -> None:
    table = calibration.reliability([0, 0, 1], [0.001, 0.0, 0.9])
    plots.save(plots.reliability(table), tmp_path / "some.png")
    nothing = calibration.reliability([0, 0], [0.0, 0.0])
    plots.save(plots.reliability(nothing), tmp_path / "none.png")
    assert (tmp_path / "some.png").stat().st_size != (tmp_path / "none.png").stat().st_size


def test_comparison_has_one_panel_per_metric_with_the_first_model_on_top() -> None:
    panels = plots.comparison(MODELS).axes
    assert [axes.get_title() for axes in panels] == ["auc", "ap", "recall_at_16"]
    assert [text.get_text() for text in panels[0].texts] == ["0.930", "0.680"]
    assert all(axes.yaxis.get_inverted() for axes in panels)


@pytest.mark.parametrize("count", [1, 2, 5, 8])
def test_any_number_of_metrics_fits(count: int, tmp_path: Path) -> None:
    figure = plots.comparison({"model": {f"metric {n}": n / 10 for n in range(count)}})
    assert len(figure.axes) == count
    assert all(axes.yaxis.get_inverted() for axes in figure.axes)
    plots.save(figure, tmp_path / "comparison.png")


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plots.reliability(calibration.reliability(CAMPAIGN.labels, CAMPAIGN.scores)),
        lambda: plots.gains(CAMPAIGN.labels, {"model": CAMPAIGN.scores}),
        lambda: plots.comparison(MODELS),
    ],
    ids=["reliability", "gains", "comparison"],
)
def test_the_same_input_gives_the_same_png(draw: Callable[[], Figure], tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        plots.save(draw(), tmp_path / name)
    first, second = ((tmp_path / name).read_bytes() for name in ("first.png", "second.png"))
    assert first.startswith(b"\x89PNG")
    assert b"matplotlib" not in first.lower()
    assert first == second


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="1 scores for 2 labels with 1 redemptions"):
        plots.gains([0, 1], {"model": [0.1]})
    with pytest.raises(ValueError, match="2 scores for 2 labels with 0 redemptions"):
        plots.gains([0, 0], {"model": [0.1, 0.2]})
    with pytest.raises(ValueError, match="model 'habit' has the metrics"):
        plots.comparison({"model": {"auc": 0.9}, "habit": {"ap": 0.1}})
    with pytest.raises(ValueError, match="metrics is empty"):
        plots.comparison({})
