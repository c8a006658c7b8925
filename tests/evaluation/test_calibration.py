"""Calibration on the whole and by bins."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics

from coupon_pipeline.evaluation import calibration


def drawn(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn with the given, skewed probabilities: calibrated by construction."""
    random = np.random.default_rng(seed)
    probabilities = random.random(count) ** 4
    return (random.random(count) < probabilities).astype(np.int8), probabilities


def test_losses_agree_with_scikit_learn() -> None:
    labels, probabilities = drawn(5000, seed=1)
    probabilities[:4], labels[:4] = [0, 1, 0, 1], [0, 1, 1, 0]
    assert calibration.log_loss(labels, probabilities) == pytest.approx(sklearn_metrics.log_loss(labels, probabilities))
    assert calibration.brier(labels, probabilities) == pytest.approx(
        sklearn_metrics.brier_score_loss(labels, probabilities)
    )


def test_predicted_over_observed_sees_odds_that_were_not_put_back() -> None:
    labels, probabilities = drawn(20_000, seed=2)
    assert calibration.predicted_over_observed(labels, probabilities) == pytest.approx(1, abs=0.03)
    odds = 20 * probabilities / (1 - probabilities)
    assert calibration.predicted_over_observed(labels, odds / (1 + odds)) > 2


def test_the_three_figures_come_together() -> None:
    assert calibration.metrics([0, 1], [0.25, 0.5]) == pytest.approx(
        {
            "predicted_over_observed": 0.75,
            "log_loss": -(np.log(0.75) + np.log(0.5)) / 2,
            "brier": (0.0625 + 0.25) / 2,
        }
    )


def test_bins_follow_the_percentiles_up_to_the_top_thousandth() -> None:
    labels, probabilities = drawn(1000, seed=3)
    table = calibration.reliability(labels, probabilities)
    assert table["bin"].tolist()[0] == "0-50 %"
    assert table["bin"].tolist()[-1] == "99.9-100 %"
    assert table["pairs"].tolist() == [500, 300, 100, 50, 30, 10, 5, 4, 1]
    top = np.argsort(probabilities)[-5:]
    assert table["positives"].iloc[-2:].sum() == labels[top].sum()
    assert table["predicted"].iloc[-1] == probabilities.max()


def test_equal_probabilities_stay_in_one_bin() -> None:
    table = calibration.reliability([0, 1, 0, 0], [0.2, 0.2, 0.2, 0.2])
    assert table["pairs"].tolist() == [4]
    assert table["predicted"].tolist() == pytest.approx([0.2])
    assert table["observed"].tolist() == [0.25]


@given(st.integers(1, 400), st.integers(0, 1000), st.integers(0, 2))
def test_bins_lose_no_pair_and_no_redemption(count: int, seed: int, decimals: int) -> None:
    labels, probabilities = drawn(count, seed)
    probabilities = probabilities.round(decimals)
    table = calibration.reliability(labels, probabilities)
    assert table["pairs"].sum() == count
    assert table["positives"].sum() == labels.sum()
    assert (table["predicted"] * table["pairs"]).sum() == pytest.approx(probabilities.sum())
    assert table["predicted"].is_monotonic_increasing


@given(st.integers(2, 200), st.integers(0, 1000))
def test_the_table_does_not_depend_on_the_order_of_rows(count: int, seed: int) -> None:
    labels, probabilities = drawn(count, seed)
    order = np.random.default_rng(seed).permutation(count)
    before, after = (
        calibration.reliability(labels, probabilities),
        calibration.reliability(labels[order], probabilities[order]),
    )
    assert before.drop(columns="predicted").equals(after.drop(columns="predicted"))
    assert before["predicted"].tolist() == pytest.approx(after["predicted"].tolist())


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 1], [0.5, 1.5], "probabilities holds 1.5"),
        ([0, 1], [-0.1, 0.5], "probabilities holds -0.1"),
        ([0, 1], [0.5, np.nan], "probabilities holds nan at position 1"),
        ([0, 1], [0.5], "2 labels and 1 probabilities"),
        ([], [], "0 labels and 0 probabilities"),
        ([0, 3], [0.5, 0.5], "labels holds .*3"),
    ],
)
@pytest.mark.parametrize(
    "measure", [calibration.metrics, calibration.log_loss, calibration.brier, calibration.reliability]
)
def test_what_is_no_probability_is_refused_by_name(
    measure: Callable, labels: list, probabilities: list, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        measure(labels, probabilities)


def test_without_a_redemption_there_is_no_ratio() -> None:
    with pytest.raises(ValueError, match="no redemption in 2 pairs"):
        calibration.predicted_over_observed([0, 0], [0.5, 0.5])
