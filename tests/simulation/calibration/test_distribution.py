"""Cumulative functions and their distances: against samples whose answer is known, and against SciPy."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ks_2samp

from coupon_pipeline.simulation.calibration.distribution import (
    Distribution,
    kolmogorov,
    variation,
)
from coupon_pipeline.simulation.calibration.targets import rounded

RANDOM = np.random.default_rng(7)
SAMPLES = {
    "continuous": (RANDOM.lognormal(3.0, 1.0, 5_000), RANDOM.lognormal(3.1, 1.1, 4_000)),
    "counts": (RANDOM.geometric(0.2, 5_000), RANDOM.geometric(0.25, 4_000)),
    "prices": (RANDOM.choice([0.99, 1.0, 1.99, 2.5], 5_000), RANDOM.choice([0.99, 1.0, 2.5], 4_000)),
}


@pytest.mark.parametrize("kind", SAMPLES)
def test_the_distance_of_two_samples_is_that_of_scipy(kind: str) -> None:
    one, other = SAMPLES[kind]
    distance = kolmogorov(Distribution.of(one), Distribution.of(other))
    assert distance == pytest.approx(ks_2samp(one, other).statistic, abs=1e-12)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_thinned_and_rounded_distribution_stays_itself_and_keeps_distances(kind: str) -> None:
    one, other = (Distribution.of(sample) for sample in SAMPLES[kind])
    kept = Distribution.from_facts(json.loads(json.dumps(rounded(one.thinned().facts()))))
    assert len(kept.values) < 300
    assert kolmogorov(one, kept) < 0.006
    assert kolmogorov(other, kept) == pytest.approx(kolmogorov(other, one), abs=0.006)


def test_distances_of_single_values_are_known() -> None:
    coin, one = Distribution.of([0, 1]), Distribution.of([1])
    assert kolmogorov(coin, one) == 0.5
    assert kolmogorov(coin, coin) == 0
    assert kolmogorov(Distribution.of([1, 2]), Distribution.of([3, 4])) == 1


def test_a_thinned_distribution_is_linear_between_its_values() -> None:
    ramp = Distribution.of(np.arange(1, 100_001)).thinned()
    assert ramp.share_upto([0, 25_000, 50_000.5, 200_000]) == pytest.approx([0, 0.25, 0.5, 1], abs=2e-5)
    assert ramp.share_below([1, 100_000]) == pytest.approx([0, 1], abs=2e-5)


def test_figures_are_those_of_numpy_from_a_sample_as_from_counts() -> None:
    sample = SAMPLES["counts"][0]
    values, counts = np.unique(sample, return_counts=True)
    for found in (Distribution.of(sample), Distribution.of(values[::-1], counts[::-1])):
        assert found.mean == pytest.approx(sample.mean())
        assert [found.median, found.p95] == np.quantile(sample, [0.5, 0.95]).tolist()
    levels = np.array([0.1, 0.5, 0.95])
    assert Distribution.of(sample).quantiles(levels).tolist() == np.quantile(sample, levels).tolist()


def test_nothing_has_no_distribution() -> None:
    with pytest.raises(ValueError, match="at least one value"):
        Distribution.of([])


def test_the_variation_of_shares_counts_labels_of_either_side() -> None:
    assert variation({"a": 0.5, "b": 0.5}, {"a": 0.5, "c": 0.5}) == 0.5
    assert variation({"a": 1.0}, {"a": 1.0}) == 0
