"""What a table's weeks are judged beside: the calendar, the keys of other tables, the clean weeks before."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.judging.references import Reference

WEEKS_BACK = 8
"""Weeks in which a fact's key must not have been clean before, and clean weeks that volume and shape are held to."""
FEWEST_WEEKS = 4
"""Clean weeks below which nothing is held against them."""

Profile = Mapping[str, float]
"""Figures of a clean week: `rows`, `mean(<column>)`, `present(<column>)`, the share of values that are not null."""


@dataclass(frozen=True)
class Past:
    """A clean week before those that are judged; `keys` has a uint64 hash of each row's natural key, in facts alone."""

    week: str
    profile: Profile
    keys: np.ndarray


@dataclass(frozen=True)
class Surroundings:
    """What the weeks of a table are judged beside.

    `opens_at` and `closes_at` give the first instant of a week and of the next, naive UTC. `references` has the keys
    behind each `table.column` that a foreign key points to; `measures` has, for the id of each rule that reconciles,
    the columns `key` (int64), `week` (date32) and `value` (int64) of the other table. `past` are the clean weeks before
    the first week, oldest first. Rules that are held against an `absent` table, which the source does not deliver, do
    not apply.
    """

    opens_at: Callable[[str], datetime]
    closes_at: Callable[[str], datetime]
    references: Mapping[str, Reference] = field(default_factory=lambda: MappingProxyType({}))
    measures: Mapping[str, pa.Table] = field(default_factory=lambda: MappingProxyType({}))
    past: Sequence[Past] = ()
    absent: frozenset[str] = frozenset()
