"""How far chance alone moves a metric, or the difference of two models: resampling of whole households."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupon_pipeline.evaluation.ordering import Ordering
from coupon_pipeline.evaluation.pairs import Pairs
from coupon_pipeline.evaluation.ranking import household_lists

METRICS: Final = ("auc", "ap", "ndcg_at_16")
"""The metrics that can be resampled by weights alone, without ranking again."""


@dataclass(frozen=True)
class Interval:
    """The 2.5, 50 and 97.5 % quantiles of a metric, or of a difference, over the resamples."""

    low: float
    mid: float
    high: float

    @classmethod
    def of(cls, draws: NDArray[np.float64]) -> Interval:
        """The interval of draws [resamples]."""
        low, mid, high = np.quantile(draws, (0.025, 0.5, 0.975)).tolist()
        return cls(low, mid, high)


@dataclass(frozen=True)
class Comparison:
    """Metrics of several models on the same resamples: `draws[model][metric]` is [resamples]."""

    reference: str
    draws: Mapping[str, Mapping[str, NDArray[np.float64]]]

    def interval(self, model: str, metric: str) -> Interval:
        """Where the metric of one model lies."""
        return Interval.of(self.draws[model][metric])

    def differences(self, model: str, metric: str) -> NDArray[np.float64]:
        """Reference minus `model` in each resample: positive where the reference is better."""
        return self.draws[self.reference][metric] - self.draws[model][metric]

    def difference(self, model: str, metric: str) -> Interval:
        """Where reference minus `model` lies."""
        return Interval.of(self.differences(model, metric))


@dataclass(frozen=True)
class _Model:
    """What one model needs for any resample: its order, the household at each rank, the NDCG of each redeemer."""

    ordering: Ordering
    owners: NDArray[np.int64]
    redeemers: NDArray[np.intp]
    ndcg: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Pairs, scores: NDArray[np.float64], seed: int) -> _Model:
        ordering = Ordering.of(pairs.redeemed, scores)
        ndcg, _ = household_lists(pairs, scores, seed)
        redeemers = np.flatnonzero(~np.isnan(ndcg))
        return cls(ordering, pairs.households[ordering.rows], redeemers, ndcg[redeemers])

    def measure(self, repeats: NDArray[np.int64]) -> dict[str, float]:
        """The metrics when household h counts `repeats[h]` times."""
        tally = self.ordering.tally(repeats[self.owners])
        ndcg = float(np.average(self.ndcg, weights=repeats[self.redeemers]))
        return {"auc": tally.auc(), "ap": tally.ap(), "ndcg_at_16": ndcg}


def paired(
    households: ArrayLike,
    coupons: ArrayLike,
    labels: ArrayLike,
    scores: Mapping[str, ArrayLike],
    reference: str,
    metrics: Sequence[str] = METRICS,
    resamples: int = 300,
    seed: int = 0,
) -> Comparison:
    """Metrics of each model in `scores` over household resamples of one campaign, the same resamples for all.

    Ids, 0/1 labels and each model's scores are [n]. Households are drawn, not pairs, because the pairs of one
    household stand and fall together (Field and Welsh, 2007). Raises ValueError for an unknown reference or metric,
    fewer than one resample, or as `Pairs` does.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"metrics holds {unknown[0]!r}: only {', '.join(METRICS)} can be resampled")
    if reference not in scores:
        raise ValueError(f"reference {reference!r} has no scores: name one of {', '.join(scores)}")
    if resamples < 1:
        raise ValueError(f"resamples is {resamples}: give at least 1")
    pairs = Pairs.of(households, coupons, labels)
    models = {name: _Model.of(pairs, pairs.aligned(values, name), seed) for name, values in scores.items()}
    draws = {name: {metric: np.empty(resamples) for metric in metrics} for name in models}
    for n, repeats in enumerate(household_repeats(pairs, resamples, seed)):
        for name, model in models.items():
            measured = model.measure(repeats)
            for metric in metrics:
                draws[name][metric][n] = measured[metric]
    return Comparison(reference, draws)


def household_repeats(pairs: Pairs, resamples: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """How often each household is drawn, [households] per resample.

    A resample without a redeemed or without an unredeemed pair has no AUC, and is drawn again.
    """
    count = pairs.household_count
    positives = np.bincount(pairs.households[pairs.redeemed], minlength=count)
    negatives = np.bincount(pairs.households[~pairs.redeemed], minlength=count)
    generator = np.random.default_rng(seed)
    while resamples:
        repeats = np.bincount(generator.integers(count, size=count), minlength=count)
        if repeats @ positives and repeats @ negatives:
            resamples -= 1
            yield repeats


def lower_bound(differences: ArrayLike, level: float = 0.95) -> float:
    """The one-sided lower bound of paired differences [resamples]: above 0, the reference is better at this level.

    Raises ValueError if there is no difference, or `level` is not between 0 and 1.
    """
    values = np.asarray(differences, dtype=np.float64)
    if not values.size:
        raise ValueError("differences is empty: give one value per resample")
    if not 0 < level < 1:
        raise ValueError(f"level is {level}: give a share between 0 and 1, such as 0.95")
    return float(np.quantile(values, 1 - level))
