"""Whether a simulated world is close enough to the real households, moment by moment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

from coupon_pipeline.simulation.calibration.distribution import kolmogorov, variation
from coupon_pipeline.simulation.calibration.moments import Moments

Measure = Literal["KS", "relative", "variation"]
"""Kolmogorov's distance, the relative difference of two numbers, the total variation of two tables of shares."""

TOLERANCES: Final[Mapping[str, float | None]] = MappingProxyType(
    {
        "lines per basket": 0.06,
        "units per basket": 0.06,
        "value per basket": 0.06,
        "categories per basket": 0.05,
        "departments per basket": 0.06,
        "days between visits": 0.07,
        "trips per household-week": 0.06,
        "spend per household-week": 0.07,
        "spend per active week": 0.07,
        "quantity per line": 0.04,
        "value per line": 0.08,
        "regular unit price of lines": 0.08,
        "days between purchases of a category": 0.12,
        "depth of price promotions": 0.15,
        "products per household-year": 0.12,
        # The chain has half as many categories as the real one.
        "categories per household-year": None,
        "share of household-weeks with a purchase": 0.10,
        "share of lines on price promotion": 0.10,
        # Chances seen in weeks with a sale, which are not those of the process behind.
        "weekly promotion start": None,
        "weekly promotion stay": None,
        "P(quantity = 1)": 0.03,
        "value share of top 1% of products": 0.05,
        "value share of top 10% of products": 0.05,
        "value share of top 20% of products": 0.05,
        "Gini of household spend": 0.05,
        "same product again within 28 days": 0.15,
        "same product again within 91 days": 0.15,
        "same category again within 28 days": 0.05,
        "concentration of products within (household, category)": 0.20,
        "second-half lines of products bought before": 0.08,
        "naive own-price elasticity": 0.10,
        "share of trips in the main store": 0.05,
        "private label share of lines": 0.15,
        "baskets per trip day": 0.03,
        "trips on Monday": 0.03,
        "trips on Tuesday": 0.03,
        "trips on Wednesday": 0.03,
        "trips on Thursday": 0.03,
        "trips on Friday": 0.03,
        "trips on Saturday": 0.03,
        "trips on Sunday": 0.03,
        "category line shares": 0.12,
        "department value shares": 0.10,
    }
)
"""Largest distance that passes; None: the moment is reported only."""


@dataclass(frozen=True)
class Row:
    """A moment of the world beside that of the real households.

    `value` and `target` are means of distributions, the scalars themselves, and NaN for tables of shares.
    """

    name: str
    measure: Measure
    value: float
    target: float
    distance: float
    tolerance: float | None

    @property
    def passed(self) -> bool | None:
        """Whether the distance is within the tolerance; None without one. A distance that is NaN is not."""
        return None if self.tolerance is None else self.distance <= self.tolerance

    @property
    def verdict(self) -> str:
        """`ok`, `missed` or `report`."""
        return "report" if self.passed is None else "ok" if self.passed else "missed"


def verdicts(simulated: Moments, targets: Moments) -> list[Row]:
    """One row per target; a moment that the world lacks is missed, unless it is reported only."""
    return [
        *(_distribution_row(simulated, targets, name) for name in targets.distributions),
        *(_scalar_row(simulated, targets, name) for name in targets.scalars),
        *(_shares_row(simulated, targets, name) for name in targets.shares),
    ]


def _distribution_row(simulated: Moments, targets: Moments, name: str) -> Row:
    target = targets.distributions[name]
    found = simulated.distributions.get(name)
    value, distance = (math.nan, math.nan) if found is None else (found.mean, kolmogorov(found, target))
    return Row(name, "KS", value, target.mean, distance, TOLERANCES[name])


def _scalar_row(simulated: Moments, targets: Moments, name: str) -> Row:
    target = targets.scalars[name]
    value = simulated.scalars.get(name, math.nan)
    return Row(name, "relative", value, target, abs(value / target - 1), TOLERANCES[name])


def _shares_row(simulated: Moments, targets: Moments, name: str) -> Row:
    distance = variation(simulated.shares.get(name, {}), targets.shares[name])
    return Row(name, "variation", math.nan, math.nan, distance, TOLERANCES[name])
