"""Twin worlds: the same people and luck, once with the coupons and once without; the difference is the effect."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from coupon_pipeline.simulation.baskets import margins
from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.state import State
from coupon_pipeline.simulation.waves import LIFE_WEEKS


@dataclass(frozen=True)
class Twins:
    """Differences of margin in cents between the twins, float64 [R, H]: replicates and households."""

    difference: np.ndarray

    @property
    def of_policy(self) -> tuple[float, float]:
        """What the whole assignment brings, and the standard error of that mean over replicates."""
        totals = self.difference.sum(axis=1)
        return float(totals.mean()), _error(totals)

    @property
    def of_household(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean effect and its standard error per household, [H] each."""
        return self.difference.mean(axis=0), self.difference.std(axis=0, ddof=1) / np.sqrt(len(self.difference))


def replica(world: World, replicate: int) -> World:
    """The same world in another year: the same people, products and prices, other luck."""
    twin = copy.copy(world)
    twin.spec = replace(world.spec, replicate=replicate)
    return twin


def twins(
    world: World,
    state: State,
    households: np.ndarray,
    coupons: np.ndarray,
    replicates: Iterable[int],
    weeks: int = LIFE_WEEKS,
) -> Twins:
    """The effect of issuing coupons (positions in the wave of the state's week) to households (positions).

    Interactions between the coupons of a household, and between households over scarce shelves, are part of it. Two
    weeks hold the coupons' life; more weeks show what was only pulled forward.
    """
    world.tastes  # noqa: B018 - computed once, so that replicas share it
    state = world.grown(state)
    world.appetite(len(state.active))
    ids = np.arange(len(households), dtype=np.int64)
    found = []
    for replicate in replicates:
        twin = replica(world, replicate)
        issues = twin.issued(state.week, ids, households, coupons)
        treated, untreated = (_lived(twin, state, part, weeks) for part in (issues, issues[:0]))
        found.append(treated - untreated)
    return Twins(np.array(found))


def _lived(world: World, state: State, issues: np.ndarray, weeks: int) -> np.ndarray:
    """Margin of each household of the state over some weeks."""
    size, total = len(state.active), np.zeros(len(state.active))
    for _ in range(weeks):
        state = world.grown(state)
        lived, state = world.live(state, issues)
        issues = issues[:0]
        earned = margins(world, lived)[:size]
        total[: len(earned)] += earned
    return total


def _error(values: np.ndarray) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")
