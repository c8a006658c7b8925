"""What a source of raw tables offers, whatever stands behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal, Protocol

import pyarrow as pa

from coupon_pipeline.weeks import Calendar

Clock = Literal["system", "source"]
"""Whose time it is: the system's, or that of data which live in years of their own."""


class SourceError(ValueError):
    """A source that cannot deliver; the message says what is wrong and what to do."""


@dataclass(frozen=True)
class EvaluationPlan:
    """How a source's models are judged: on which campaigns, without which ones, and what a leak looks like."""

    test_campaign: int | None = None
    """The campaign that tests a model; None where a source has no campaign that is fixed for this."""
    latest_campaigns: int = 0
    """Without a fixed test campaign: how many of the newest closed campaigns test a model together."""
    locked_from: date | None = None
    """Campaigns that start on or after this day stay out; None locks none."""
    compared_on: tuple[str, ...] = ("auc", "ap", "ndcg_at_16")
    """Metrics on which a model must beat the baselines and keep up with the champion."""
    at_least: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value that a good model reaches on the test campaign."""
    fail_above: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value that only a leak reaches."""
    explain_above: Mapping[str, float] = field(default_factory=dict)
    """Metric -> value that a person must explain before believing it."""


@dataclass(frozen=True)
class Assignment:
    """How households are held out and take turns, by a hash that is keyed with a salt."""

    salt: str
    holdout_percent: float
    """Share of households that never get a coupon, in percent."""
    every_cycles: int
    """A household is decided once in so many cycles."""


class Source(Protocol):
    """A grocer's systems, read week by week."""

    name: str
    currency: str
    clock: Clock
    assumptions: Mapping[str, str]
    """Named assumptions that stand in for what the source does not tell."""
    plan: EvaluationPlan
    assignment: Assignment | None
    """None where the source has no experiment that goes on."""

    @property
    def calendar(self) -> Calendar:
        """The weeks that it delivers, in the time zone of its stores; raises SourceError."""
        ...

    def tables(self) -> tuple[str, ...]:
        """Names of the tables that it delivers, referenced tables first."""
        ...

    def read(self, table: str, week: str) -> pa.Table:
        """The rows of a table that became known in a week, as delivered, with their lineage; raises SourceError."""
        ...

    def fingerprint(self, table: str, week: str) -> str:
        """Digest of what `read` would deliver and of the code that delivers it; raises SourceError."""
        ...
