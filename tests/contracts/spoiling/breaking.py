"""What a way to break a rule is: some rows of a week, or a week as a whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from coupon_pipeline.contracts.contract import Rule

Row = dict[str, str | None]


@dataclass(frozen=True)
class Spoiled:
    """Rows that break a rule, as text, and which of them it is to catch.

    `off` says by how much the other table differs, key by key; `seen` holds a row whose key was clean, and how many
    weeks before week 0.
    """

    rows: list[Row]
    caught: tuple[bool, ...] = (True,)
    off: Mapping[int, int] = field(default_factory=dict)
    seen: tuple[int, pa.Table] | None = None


@dataclass(frozen=True)
class Mutation:
    """A way to break a rule.

    A row rule has `rows`, which makes them from the number of a week and of a key in it; a rule of the table has
    `week`, which makes a whole week. `also` are rules that cannot hold in the same rows.
    """

    rule: Rule
    how: str
    rows: Callable[[int, int], Spoiled] | None = None
    week: Callable[[int], pa.Table] | None = None
    also: tuple[str, ...] = ()
