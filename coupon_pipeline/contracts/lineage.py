"""Where the rows of a delivery came from: the file or system, and the number of the record in it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

METADATA: Final = b"lineage"
"""Key of a table's schema metadata under which its runs lie, as JSON."""
EMPTY: Final = b"empty_files"
"""Key under which the files without a record lie, as JSON; left out where there is none."""
UNKNOWN: Final = ""
"""File of rows of which nobody has said where they came from."""

Run = tuple[str, int | None, int]
"""File, number of its first record (from 1; None where records have no number), and how many rows follow each other."""


@dataclass(frozen=True)
class Lineage:
    """The runs that cover the rows of a table in order; none where nothing is known.

    `empty` names the files that were delivered without a record.
    """

    runs: tuple[Run, ...] = ()
    empty: tuple[str, ...] = ()

    @classmethod
    def of(cls, table: pa.Table) -> Lineage:
        """What a table says of its rows."""
        metadata = table.schema.metadata or {}
        runs, empty = (json.loads(metadata.get(key, b"[]")) for key in (METADATA, EMPTY))
        return cls(tuple((file, first, rows) for file, first, rows in runs), tuple(empty))

    @classmethod
    def numbered(cls, file: str, numbers: np.ndarray) -> Lineage:
        """Rows of one file with the numbers of their records, int64."""
        starts = np.flatnonzero(np.diff(numbers, prepend=np.int64(-1)) != 1)
        counts = np.diff(starts, append=len(numbers))
        return cls(tuple((file, int(numbers[at]), int(rows)) for at, rows in zip(starts, counts, strict=True)))

    @classmethod
    def whole(cls, file: str, rows: int) -> Lineage:
        """Rows of one origin, whose records have no numbers."""
        return cls(((file, None, rows),) if rows else ())

    @property
    def rows(self) -> int:
        """How many rows the runs cover."""
        return sum(rows for _, _, rows in self.runs)

    def attached(self, table: pa.Table) -> pa.Table:
        """The same rows, saying where they came from; raises ValueError where there are more or fewer than here."""
        if self.rows != table.num_rows:
            raise ValueError(f"the lineage covers {self.rows} rows, and the table has {table.num_rows}")
        metadata = {key: told for key, told in (table.schema.metadata or {}).items() if key not in (METADATA, EMPTY)}
        metadata[METADATA] = _json(self.runs)
        if self.empty:
            metadata[EMPTY] = _json(self.empty)
        return table.replace_schema_metadata(metadata)

    def kept(self, keep: np.ndarray) -> Lineage:
        """What is left after a filter; `keep` is bool, one per row."""
        ends, firsts = self._edges()
        if len(keep) != self.rows:
            raise ValueError(f"the lineage covers {self.rows} rows, and the filter {len(keep)}")
        if keep.all():
            return self
        rows = np.flatnonzero(keep)
        run = np.searchsorted(ends, rows, side="right")
        has_number = firsts[run] > 0
        # Rows without numbers follow each other whatever is left out between them.
        new = (np.diff(run, prepend=-1) != 0) | (has_number & (np.diff(rows, prepend=-1) != 1))
        starts = np.flatnonzero(new)
        counts = np.diff(starts, append=len(rows))
        places = rows[starts] - (ends - np.diff(ends, prepend=0))[run[starts]]
        left = zip(run[starts].tolist(), places.tolist(), counts.tolist(), strict=True)
        return Lineage(_joined(_run(self.runs[at], place, count) for at, place, count in left), self.empty)

    def after(self, other: Lineage) -> Lineage:
        """The other's rows, then these."""
        return Lineage(_joined([*other.runs, *self.runs]), (*other.empty, *self.empty))

    def locate(self, rows: np.ndarray) -> tuple[pa.Array, pa.Array]:
        """File (string) and record number (int64) of some rows, int64 positions; null where they are unknown."""
        rows = np.asarray(rows, np.int64)
        ends, firsts = self._edges()
        run = np.searchsorted(ends, rows, side="right")
        files = [*(file or None for file, _, _ in self.runs), None]
        firsts = np.append(firsts, 0)[run]
        numbers = firsts + rows - np.append(ends - np.diff(ends, prepend=0), 0)[run]
        found = pa.array(files, pa.string()).take(pa.array(run, pa.int64()))
        return found, pa.array(numbers, pa.int64(), mask=firsts == 0)

    def _edges(self) -> tuple[np.ndarray, np.ndarray]:
        """Per run the position after its last row and the number of its first record, 0 for none; both int64."""
        ends = np.cumsum([rows for _, _, rows in self.runs], dtype=np.int64)
        return ends, np.array([first or 0 for _, first, _ in self.runs], np.int64)


def _json(told: object) -> bytes:
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def _run(run: Run, place: int, count: int) -> Run:
    """A part of a run."""
    file, first, _ = run
    return file, None if first is None else first + place, count


def _joined(runs: Iterable[Run]) -> tuple[Run, ...]:
    """Runs without rows left out, and those together that follow each other."""
    found: list[Run] = []
    for file, first, rows in runs:
        if not rows:
            continue
        before = found[-1] if found else None
        if before is not None and before[0] == file and first == (None if before[1] is None else before[1] + before[2]):
            found[-1] = (file, before[1], before[2] + rows)
        else:
            found.append((file, first, rows))
    return tuple(found)
