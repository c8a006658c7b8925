"""Turns full dumps into changes: what is new or other than in the dump before, and what has gone."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.contract import KNOWN_AT
from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.values import to_text

IS_DELETED = "is_deleted"


def changed(newest: pa.Table, before: pa.Table | None, key: Sequence[str], ended_at: datetime | None) -> pa.Table:
    """The rows of the newest dump that differ from the dump before, then those whose key has gone, as deleted.

    Both are in the contract's columns; `ended_at` is when it was known that a key has gone. A table without the column
    `is_deleted` is one of facts, which do not end. Raises SourceError for an empty dump, which would end everything.
    """
    if before is None or before.num_rows == 0:
        return newest
    if newest.num_rows == 0:
        raise SourceError(f"the dump is empty, and the one before had {before.num_rows} rows: it must be sent again")
    content = [name for name in newest.column_names if name != KNOWN_AT]
    now, then = _by_key(newest, key), _by_key(before, key)
    rows_now, rows_then = _cells(newest, content), _cells(before, content)
    kept = [
        row
        for identity, rows in now.items()
        if [rows_now[row] for row in rows] != [rows_then[row] for row in then.get(identity, [])]
        for row in rows
    ]
    gone = [rows[-1] for identity, rows in then.items() if identity not in now]
    found = _picked(newest, kept)
    if not gone or IS_DELETED not in content:
        return found
    return _together(found, _ended(_picked(before, gone), ended_at))


def _picked(rows: pa.Table, places: Sequence[int]) -> pa.Table:
    """Some rows, in their order, and where they came from."""
    keep = np.zeros(rows.num_rows, bool)
    keep[np.array(places, np.int64)] = True
    found = rows.take(np.flatnonzero(keep))
    lineage = Lineage.of(rows)
    return lineage.kept(keep).attached(found) if lineage.runs else found


def _ended(rows: pa.Table, ended_at: datetime | None) -> pa.Table:
    marks = {
        KNOWN_AT: pa.repeat(pa.scalar(ended_at, pa.timestamp("us")), rows.num_rows),
        IS_DELETED: pa.repeat("true", rows.num_rows),
    }
    for name, cells in marks.items():
        rows = rows.set_column(rows.column_names.index(name), name, cells)
    return rows


def _together(first: pa.Table, second: pa.Table) -> pa.Table:
    """Both tables' rows; where a column's types differ, as text."""
    columns = {}
    for name in first.column_names:
        above, below = first[name], second[name]
        if above.type != below.type and pa.types.is_null(above.type):
            above = above.cast(below.type)
        elif above.type != below.type and pa.types.is_null(below.type):
            below = below.cast(above.type)
        elif above.type != below.type:
            above, below = to_text(above), to_text(below)
        columns[name] = pa.chunked_array([*above.chunks, *below.chunks])
    whole = pa.table(columns).combine_chunks()
    lineage = Lineage.of(second).after(Lineage.of(first))
    return lineage.attached(whole) if lineage.rows == whole.num_rows else whole


def _cells(rows: pa.Table, columns: Sequence[str]) -> list[tuple[str | None, ...]]:
    return list(zip(*(to_text(rows[name]).to_pylist() for name in columns), strict=True))


def _by_key(rows: pa.Table, key: Sequence[str]) -> dict[tuple[str | None, ...], list[int]]:
    found: dict[tuple[str | None, ...], list[int]] = {}
    for row, identity in enumerate(_cells(rows, key)):
        found.setdefault(identity, []).append(row)
    return found
