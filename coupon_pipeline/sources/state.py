"""What arrived without a date, week by week: the only trace of what a system said then."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.tables import read_parquet, write_parquet


class State:
    """One file per table and week, `<root>/<table>/week=<week>/part.parquet`, in the system's columns."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def read(self, table: str, week: str, columns: Sequence[str]) -> pa.Table | None:
        """What arrived in a week; None if nothing has yet; raises SourceError where a column was not kept."""
        path = self._path(table, week)
        if not path.exists():
            return None
        rows = read_parquet(path)
        missing = [name for name in columns if name not in rows.column_names]
        if missing:
            raise SourceError(
                f"what arrived in week {week} was kept without the column {', '.join(missing)}: take it out of "
                f"`columns`, or delete {path.parents[1]} to begin with what the system tells now"
            )
        return rows.select(list(columns))

    def write(self, table: str, week: str, rows: pa.Table) -> None:
        """Keep what arrived in a week, atomically."""
        write_parquet(self._path(table, week), rows, "")

    def latest_before(self, table: str, week: str) -> str | None:
        """The last week before `week` in which something arrived."""
        return max((found for found in self._weeks(table) if found < week), default=None)

    def has_later(self, table: str, week: str) -> bool:
        """Whether something arrived after a week."""
        return any(found > week for found in self._weeks(table))

    def erase(self, table: str, left: Callable[[pa.Table], pa.Table]) -> None:
        """Keep of every week of a table only what `left` leaves of it; one that it leaves whole stays untouched."""
        for week in self._weeks(table):
            rows = read_parquet(self._path(table, week))
            kept = left(rows)
            if not kept.equals(rows):
                self.write(table, week, kept)

    def files(self) -> list[Path]:
        """All files, in order."""
        return sorted(self.root.glob("*/week=*/part.parquet"))

    def _weeks(self, table: str) -> list[str]:
        return [path.parent.name.removeprefix("week=") for path in (self.root / table).glob("week=*/part.parquet")]

    def _path(self, table: str, week: str) -> Path:
        return self.root / table / f"week={week}" / "part.parquet"
