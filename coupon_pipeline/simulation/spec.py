"""The size, calendar and seed of a simulated chain: all that decides its world."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import date
from typing import Literal

from coupon_pipeline.weeks import WEEK, Calendar

Form = Literal["logit", "stockpile", "fatigue"]
"""How households respond to a coupon: see simulation/response.py."""


class ChainError(ValueError):
    """A chain that cannot be made, or not where it is asked for; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class ChainSpec:
    """What a world is made from; equal specs give equal worlds, byte for byte."""

    seed: int = 1
    """Tastes, products, stores: who is who."""
    replicate: int = 0
    """Luck: the same people in another year."""
    households: int = 2_500
    stores: int = 20
    products: int = 20_000
    categories: int = 150
    wave_coupons: int = 100
    """Coupons that start each week; they live two weeks, so twice as many are live."""
    form: Form = "logit"
    first_week: date = date(2025, 1, 6)
    warmup_weeks: int = 52
    issue_weeks: int = 16
    """Last weeks of the warm-up in which coupons are issued at random."""
    burn_in_weeks: int = 26
    """Weeks lived before the first one that any system records."""
    coupons_per_household: int = 3
    salt: str = "simulated"
    """Of the keyed hashes that hold households out and that say whose turn a week is."""
    holdout_percent: float = 10.0
    every_cycles: int = 2
    shard: int = 8_192
    """Households per piece of work; it changes memory and speed, never the world."""

    timezone: str = "America/New_York"
    zones: int = 2
    segments: int = 16
    brands: int = 8

    def __post_init__(self) -> None:
        if min(self.households, self.stores, self.categories, self.wave_coupons, self.shard) < 1:
            raise ChainError("households, stores, categories, wave_coupons and shard must be at least 1")
        least = self.categories * self.brands * 2
        if self.products < least:
            raise ChainError(f"products is {self.products}: {self.categories} categories need at least {least}")
        if self.wave_coupons > self.categories * self.brands:
            raise ChainError(f"wave_coupons is {self.wave_coupons}: there are {self.categories * self.brands} brands")
        if self.first_week.weekday() != 0:
            raise ChainError(f"first_week is {self.first_week}: give a Monday")
        if not 0 <= self.issue_weeks <= self.warmup_weeks:
            raise ChainError(f"issue_weeks is {self.issue_weeks}: give at most warmup_weeks, {self.warmup_weeks}")

    @property
    def calendar(self) -> Calendar:
        """The warm-up's weeks."""
        return self.calendar_to(self.warmup_weeks - 1)

    def calendar_to(self, number: int) -> Calendar:
        """The weeks up to number `number`, counted from 0."""
        return Calendar(self.first_week, self.first_week + number * WEEK, self.timezone)

    def monday(self, number: int) -> date:
        """The first day of week `number`."""
        return self.first_week + number * WEEK

    def number(self, week: str) -> int:
        """The number of a week named by its Monday."""
        return (date.fromisoformat(week) - self.first_week) // WEEK

    def facts(self) -> dict[str, object]:
        """Everything that decides the world, for digests."""
        return {name: str(value) for name, value in asdict(self).items() if name != "shard"}
