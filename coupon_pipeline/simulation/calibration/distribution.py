"""A distribution as its cumulative function, exact or thinned for a small file, and the distance of two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEVELS: Final = np.concatenate([[0.001, 0.002], np.linspace(0.005, 0.995, 100), [0.998, 0.999]])
"""Quantiles that a thinned distribution keeps."""
ATOM: Final = 0.001
"""A value with at least this share is kept too: prices and counts have many, and a grid would smear them."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Distribution:
    """Ascending values with the shares below and up to each; linear between two values."""

    values: Floats
    below: Floats
    upto: Floats
    mean: float
    median: float
    p95: float

    @classmethod
    def of(cls, values: ArrayLike, counts: ArrayLike | None = None) -> Self:
        """The exact distribution of a sample, or of distinct values with their counts; raises ValueError if empty."""
        sample = np.asarray(values, np.float64)
        if counts is None:
            distinct, numbers = np.unique(sample, return_counts=True)
        else:
            order = np.argsort(sample)
            distinct, numbers = sample[order], np.asarray(counts, np.int64)[order]
        if len(distinct) == 0 or numbers.sum() == 0:
            raise ValueError("a distribution needs at least one value: the lines given have none for this moment")
        ends = np.cumsum(numbers)
        return cls(
            values=distinct,
            below=(ends - numbers) / ends[-1],
            upto=ends / ends[-1],
            mean=float(distinct @ numbers / ends[-1]),
            median=_quantile(distinct, ends, 0.5),
            p95=_quantile(distinct, ends, 0.95),
        )

    def share_below(self, values: ArrayLike) -> Floats:
        """P(X < value)."""
        return self._at(values, self.below)

    def share_upto(self, values: ArrayLike) -> Floats:
        """P(X <= value)."""
        return self._at(values, self.upto)

    def quantiles(self, levels: Floats) -> Floats:
        """The smallest value with at least each share up to it, linear between two values."""
        knots = np.column_stack([self.below, self.upto]).ravel()
        return np.interp(levels, knots, np.repeat(self.values, 2))

    def thinned(self) -> Distribution:
        """The same with few values: `LEVELS`, the two ends, and every value that is an atom."""
        at_levels = np.searchsorted(self.upto, LEVELS).clip(max=len(self.values) - 1)
        atoms = np.flatnonzero(self.upto - self.below >= ATOM)
        kept = np.unique(np.concatenate([at_levels, atoms, [0, len(self.values) - 1]]))
        return Distribution(self.values[kept], self.below[kept], self.upto[kept], self.mean, self.median, self.p95)

    def facts(self) -> dict[str, Any]:
        """As JSON."""
        curve = {"values": self.values.tolist(), "below": self.below.tolist(), "upto": self.upto.tolist()}
        return {"mean": self.mean, "median": self.median, "p95": self.p95} | curve

    @classmethod
    def from_facts(cls, facts: Mapping[str, Any]) -> Self:
        """What `facts` wrote."""
        curve = {name: np.asarray(facts[name], np.float64) for name in ("values", "below", "upto")}
        return cls(**curve, mean=facts["mean"], median=facts["median"], p95=facts["p95"])

    def _at(self, values: ArrayLike, edge: Floats) -> Floats:
        wanted = np.asarray(values, np.float64)
        after = np.searchsorted(self.values, wanted)
        low, high = (after - 1).clip(min=0), after.clip(max=len(self.values) - 1)
        width = self.values[high] - self.values[low]
        way = (wanted - self.values[low]) / np.where(width > 0, width, 1.0)
        between = self.upto[low] + way * np.where(width > 0, self.below[high] - self.upto[low], 0.0)
        return np.where(self.values[high] == wanted, edge[high], np.where(after == 0, 0.0, between))


def kolmogorov(one: Distribution, other: Distribution) -> float:
    """The largest distance of two cumulative functions, on both sides of every jump."""
    values = np.union1d(one.values, other.values)
    left = np.abs(one.share_below(values) - other.share_below(values))
    right = np.abs(one.share_upto(values) - other.share_upto(values))
    return float(np.maximum(left, right).max())


def variation(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    """Total variation of two tables of shares: half the sum of differences."""
    return sum(abs(one.get(name, 0.0) - other.get(name, 0.0)) for name in one.keys() | other.keys()) / 2


def _quantile(values: Floats, ends: NDArray[np.int64], level: float) -> float:
    """As `numpy.quantile` of the whole sample."""
    place = level * (ends[-1] - 1)
    low, high = (values[np.searchsorted(ends, rank, side="right")] for rank in (np.floor(place), np.ceil(place)))
    return float(low + (place - np.floor(place)) * (high - low))
