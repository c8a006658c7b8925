"""Scores too good to be true: bounds that no honest model of a source has reached, and the leak that each suggests."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Level = Literal["fail", "explain"]

LATER_PURCHASES: Final = "features that read purchases made after the decision time"
UNDATED_REDEMPTIONS: Final = "a household's redemptions counted without a date filter"
OWN_CAMPAIGN_RATE: Final = "a coupon's redemption rate that includes the tested campaign itself"
SHARED_ROWS: Final = "rows of the tested campaign in the training set"

SUSPECTS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "auc": (LATER_PURCHASES, UNDATED_REDEMPTIONS, OWN_CAMPAIGN_RATE, SHARED_ROWS),
        "ap": (UNDATED_REDEMPTIONS, LATER_PURCHASES, SHARED_ROWS),
        "ndcg_at_16": (LATER_PURCHASES, OWN_CAMPAIGN_RATE),
        "recall_at_16": (LATER_PURCHASES, OWN_CAMPAIGN_RATE),
        "within_household_auc": (LATER_PURCHASES, OWN_CAMPAIGN_RATE),
        "per_coupon_auc": (UNDATED_REDEMPTIONS, LATER_PURCHASES),
        "household_any_auc": (UNDATED_REDEMPTIONS, LATER_PURCHASES, SHARED_ROWS),
    }
)
"""The leaks that move each metric, the strongest first. Some move only half: a source should bound all seven."""


@dataclass(frozen=True)
class Canaries:
    """Bounds per metric: above `fail` a model is refused, above `explain` somebody must say why before it is believed.

    Raises ValueError for a metric without a known leak, a bound that is not in [0, 1], or a `fail` below its `explain`.
    """

    fail: Mapping[str, float]
    explain: Mapping[str, float]

    def __post_init__(self) -> None:
        for name, bound in [*self.fail.items(), *self.explain.items()]:
            if name not in SUSPECTS:
                raise ValueError(f"canary {name!r} is no watched metric: give one of {', '.join(SUSPECTS)}")
            if not 0 <= bound <= 1:
                raise ValueError(f"canary {name} has the bound {bound}: give a value from 0 to 1")
        for name in self.fail.keys() & self.explain.keys():
            if self.fail[name] < self.explain[name]:
                raise ValueError(
                    f"canary {name} fails above {self.fail[name]} but asks above {self.explain[name]}: "
                    "set fail at or above explain"
                )


@dataclass(frozen=True)
class Reached:
    """A metric above one of its bounds."""

    metric: str
    value: float
    bound: float
    level: Level

    @property
    def message(self) -> str:
        """What was reached, what to suspect and what to do, as one sentence for a person."""
        action = "refuse the model and look for" if self.level == "fail" else "before believing it, rule out"
        return (
            f"{self.metric} is {self.value:.4f}, above {self.bound:g}, which no honest model has reached: "
            f"{action} {', or '.join(SUSPECTS[self.metric])}"
        )


def judge(metrics: Mapping[str, float], canaries: Canaries) -> list[Reached]:
    """Every metric above a bound, at its worst level, in the order of SUSPECTS.

    Raises ValueError if a bounded metric is missing or nan: a canary that cannot be read must not pass for alive.
    """
    reached = []
    for name in SUSPECTS:
        bounds: list[tuple[Level, float | None]] = [
            ("fail", canaries.fail.get(name)),
            ("explain", canaries.explain.get(name)),
        ]
        given = [(level, bound) for level, bound in bounds if bound is not None]
        if not given:
            continue
        value = metrics.get(name, math.nan)
        if math.isnan(value):
            raise ValueError(f"metrics has no value for {name}, which a canary bounds: measure it, or drop its bounds")
        reached += [Reached(name, value, bound, level) for level, bound in given if value > bound][:1]
    return reached
