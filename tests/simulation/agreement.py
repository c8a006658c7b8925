"""How well the truth in closed form agrees with twin worlds, on an assignment that selects on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupon_pipeline.simulation.living import World
from coupon_pipeline.simulation.state import State
from coupon_pipeline.simulation.truth.effects import ISSUE_COST_CENTS, Effects
from coupon_pipeline.simulation.truth.twins import Twins, twins

GROUPS = 5


@dataclass(frozen=True)
class Agreement:
    """Each household's best coupon: its closed form before the cost of issuing (cents, [H]), and what twins say."""

    expected: np.ndarray
    measured: Twins

    @property
    def slope(self) -> float:
        """Of the twins on the closed form, through the origin."""
        mean, _ = self.measured.of_household
        return float(self.expected @ mean / (self.expected @ self.expected))

    @property
    def slope_error(self) -> float:
        """Standard error of the slope over replicates."""
        each = self.measured.difference @ self.expected / (self.expected @ self.expected)
        return float(each.std(ddof=1) / np.sqrt(len(each)))

    @property
    def groups(self) -> list[tuple[float, float, float]]:
        """Quintiles of the closed form, ascending: its mean, that of the twins, and the standard error of that."""
        found = []
        for part in np.array_split(np.argsort(self.expected), GROUPS):
            each = self.measured.difference[:, part].mean(axis=1)
            error = float(each.std(ddof=1) / np.sqrt(len(each)))
            found.append((float(self.expected[part].mean()), float(each.mean()), error))
        return found

    @property
    def out_of_order(self) -> int:
        """Quintiles that twins put below the one before."""
        means = [mean for _, mean, _ in self.groups]
        return int(np.sum(np.diff(means) <= 0))

    @property
    def wrong_signs(self) -> int:
        """Quintiles beyond two standard errors with another sign than in closed form."""
        return sum(abs(mean) > 2 * error and mean * expected < 0 for expected, mean, error in self.groups)


def agreement(world: World, state: State, found: Effects, replicates: int) -> Agreement:
    """Twins of each household's best coupon by the closed form of the wave of the state's week."""
    households = np.arange(len(found.margin))
    coupons = found.margin.argmax(axis=1)
    measured = twins(world, state, households, coupons, range(1, replicates + 1))
    return Agreement(found.margin[households, coupons] + ISSUE_COST_CENTS, measured)
