"""The households: how often they shop, what they like, how they respond. All hidden but what the CRM knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaincinv

from coupon_pipeline.simulation.keys import normal, stream, uniform
from coupon_pipeline.simulation.spec import ChainSpec

JOINING = 0.001
"""Households that join and that leave for good in a week, as a share of the chain's size."""
WITHDRAWING, ERASING = 0.0005, 0.0001
"""Weekly shares of households that withdraw their consent, and that ask to be erased."""
NEVER = 10**6
TASTE_SD, SHARED = 1.55, 0.25
FACTORS = 4
MAIN_STORE = 0.74


@dataclass(frozen=True)
class Population:
    """Arrays over households [H], whose ids are 1..H; weeks are numbers counted from 0, far ahead for never."""

    ids: np.ndarray
    trip_rate: np.ndarray
    """float64: trips on an ordinary day of an active week."""
    segment: np.ndarray
    main_store: np.ndarray
    loyalty: np.ndarray
    """float64: factor on the weight of the favourite product."""
    salience: np.ndarray
    awareness: np.ndarray
    presents: np.ndarray
    """float64: probability that a coupon that it bought for is shown at the till."""
    pull: np.ndarray
    """float64: rise of trips per dollar of face value that it has noticed."""
    joins: np.ndarray
    leaves: np.ndarray
    withdraws: np.ndarray
    erases: np.ndarray
    consents: np.ndarray

    @property
    def size(self) -> int:
        """Households that are or will have been there."""
        return len(self.ids)

    def shops(self, week: int) -> np.ndarray:
        """bool [H]: members that have joined and not left for good."""
        return (self.joins <= week) & (self.leaves > week)

    def contactable(self, week: int) -> np.ndarray:
        """bool [H]: members whose consent holds at the start of a week."""
        return self.consents & (self.joins < week) & (self.withdraws >= week) & (self.erases >= week)


def size_at(spec: ChainSpec, week: int) -> int:
    """Households that have joined by the end of a week; before the first week only the founding ones are there."""
    return spec.households + int(JOINING * spec.households * max(week + 1, 0))


def build(spec: ChainSpec, size: int, store_zones: int) -> Population:
    """The first `size` households of a world: the same ones, however many are asked for."""
    ids = np.arange(1, size + 1)

    def u(name: str) -> np.ndarray:
        return uniform(stream(spec.seed, f"household {name}"), ids)

    def n(name: str) -> np.ndarray:
        return normal(stream(spec.seed, f"household {name}"), ids)

    rate = 0.145 * gammaincinv(1.30, u("trip rate")) / 1.30
    founding = ids <= spec.households
    late = np.ceil((ids - spec.households) / (JOINING * spec.households)) - 1
    joins = np.where(founding, -NEVER, late).astype(np.int64)
    first = np.maximum(joins, 0)
    return Population(
        ids=ids,
        trip_rate=1.18 * np.clip(rate, 0.0005, 0.80),
        segment=(u("segment") * spec.segments).astype(np.int64),
        main_store=(u("store") ** 1.15 * store_zones).astype(np.int64),
        loyalty=np.exp(3.5 * (0.35 + 1.3 * u("loyalty"))),
        salience=np.exp(0.5 * n("salience")),
        awareness=0.05 + 0.85 * u("awareness") ** 1.3,
        presents=0.55 + 0.43 * u("till"),
        pull=0.001 * np.exp(0.7 * n("pull")),
        joins=joins,
        leaves=first + _waits(u("leaving"), JOINING),
        withdraws=first + _waits(u("withdrawal"), WITHDRAWING),
        erases=first + _waits(u("erasure"), ERASING),
        consents=u("consent") < 0.85,
    )


def _waits(u: np.ndarray, hazard: float) -> np.ndarray:
    """Weeks until something happens that has the same chance each week, at least 1."""
    return 1 + np.floor(np.log(u) / np.log1p(-hazard)).astype(np.int64)


def log_appetite(spec: ChainSpec, ids: np.ndarray, categories: int) -> np.ndarray:
    """Log rate of each household for each category, float32 [H, C], before the category's intercept.

    A household buys broadly or narrowly (sd 0.76), and its tastes (sd 1.55) share a quarter of their variance over four
    factors, so that categories go together.
    """
    numbers = np.arange(categories)
    factors = normal(stream(spec.seed, "household factor"), ids[:, None], np.arange(FACTORS)[None, :])
    loadings = normal(stream(spec.seed, "category loading"), numbers[:, None], np.arange(FACTORS)[None, :])
    loadings /= np.linalg.norm(loadings, axis=1, keepdims=True)
    own = normal(stream(spec.seed, "household taste"), ids[:, None], numbers[None, :])
    taste = TASTE_SD * (np.sqrt(SHARED) * factors @ loadings.T + np.sqrt(1 - SHARED) * own)
    broad = 0.76 * normal(stream(spec.seed, "household breadth"), ids)
    return (broad[:, None] + taste).astype(np.float32)


def segment_taste(spec: ChainSpec, products: int) -> np.ndarray:
    """Taste of each segment for each product, float64 [G, P], sd 0.6."""
    return 0.6 * normal(
        stream(spec.seed, "segment taste"), np.arange(spec.segments)[:, None], np.arange(products)[None, :]
    )


def segment_beta(spec: ChainSpec) -> np.ndarray:
    """Price coefficient of each segment, float64 [G], mean 2.8."""
    # Evenly spread quantiles in a random order: sixteen free draws would give each world another mean.
    order = np.argsort(np.argsort(uniform(stream(spec.seed, "segment beta"), np.arange(spec.segments))))
    u = (order + 0.5) / spec.segments
    return 0.8 + 2.0 * gammaincinv(3.0, u) / 3.0
