"""Weeks of the made-up chain in its systems, with dirt, one after the other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tests.simulation.factory import CALENDAR, SMALL, WEEKS, Size, week_records

from coupon_pipeline.simulation.dirt.dirty import Level, dirty
from coupon_pipeline.simulation.feeds.delivery import Spoiling
from coupon_pipeline.simulation.feeds.week import Systems, write_week


def systems(root: Path) -> Systems:
    """The systems of a chain, all as files."""
    return Systems(root / "feeds", CALENDAR.timezone, seed=1)


def deliver(
    root: Path,
    count: int,
    level: Level = "default",
    seed: int = 3,
    size: Size = SMALL,
    events: tuple[Spoiling, ...] = (),
) -> dict[str, int]:
    """Write the first weeks, with `events` in the last of them; returns rows per table of all weeks.

    The lists of faults go to `private/faults`, the rows that no week has delivered yet to `private/carried`.
    """
    carried: Mapping[str, pa.Table] | None = None
    rows: Counter[str] = Counter()
    for week in WEEKS[:count]:
        happening = events if week == WEEKS[count - 1] else ()
        soiled = dirty(week_records(week, size), level, seed, CALENDAR.timezone, carried, happening)
        rows.update(write_week(systems(root), soiled.delivery))
        carried = soiled.carried
        _write(root / "private" / "faults" / f"{week}.parquet", soiled.faults)
    for name, table in (carried or {}).items():
        _write(root / "private" / "carried" / f"{name}.parquet", table)
    return dict(rows)


def _write(path: Path, table: pa.Table) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)
