"""Spoils valid deliveries in every way that a sender may, and holds the verdicts on them against what must be true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.contracts.spoiling.valid import Maker, as_texts, week
from tests.contracts.spoiling.valid_beside import surroundings

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.judging.casting import as_text
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.judging.surroundings import Surroundings
from coupon_pipeline.contracts.judging.verdict import Verdict

WEEKS = 5
ROWS = 12
CELLS = (
    *(None, "", " ", "NaN", "nan", "inf", "-inf", "1e400", "-1", "0", "9" * 25, "1.5", "two", "true", "null", "  7 "),
    *("1970-01-01", "9999-12-31", "0001-01-01 00:00:00", "2025-13-45", "2025-06-01T00:00:00+14:00", "294247-01-10"),
    *("Äß😀", "\0", "\x1b[31m", "a\nb", "\u202e", "\ufeff", "'; drop table x; --", "{x}", "{0}", "%s", "x" * 5_000),
)
TYPES = (
    *(pa.float64(), pa.float32(), pa.int8(), pa.uint64(), pa.bool_(), pa.decimal128(12, 2), pa.date32(), pa.null()),
    *(pa.timestamp("ns", "Europe/Berlin"), pa.timestamp("s"), pa.time64("us"), pa.large_string(), pa.binary()),
    *(pa.list_(pa.string()), pa.struct([("a", pa.int64())]), pa.dictionary(pa.int32(), pa.string())),
)
Dirt = Callable[[pa.Table], pa.Table]


def cell(column: int, row: int, text: str | None, table: pa.Table) -> pa.Table:
    """One cell says something else."""
    if not table.num_rows or not table.num_columns:
        return table
    place = column % table.num_columns
    cells = table.column(place).to_pylist()
    if table.schema.types[place] != pa.string():
        return table
    cells[row % len(cells)] = text
    return table.set_column(place, table.column_names[place], pa.array(cells, pa.string()))


def filled(column: int, text: str | None, table: pa.Table) -> pa.Table:
    """A whole column says the same."""
    place = column % table.num_columns
    return table.set_column(place, table.column_names[place], pa.array([text] * table.num_rows, pa.string()))


def typed(column: int, found: pa.DataType, table: pa.Table) -> pa.Table:
    """A column has another Arrow type: its values where they can be read in it, else nulls."""
    place = column % table.num_columns
    cells = table.column(place)
    try:
        cells = cells.cast(found)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        cells = pa.nulls(table.num_rows, found)
    return table.set_column(place, table.column_names[place], cells)


def renamed(column: int, name: str, table: pa.Table) -> pa.Table:
    """A column has another name, maybe that of another one."""
    names = table.column_names
    names[column % len(names)] = name
    return table.rename_columns(names)


def dropped(column: int, table: pa.Table) -> pa.Table:
    """A column is missing."""
    return table.remove_column(column % table.num_columns) if table.num_columns > 1 else table


def repeated(row: int, table: pa.Table) -> pa.Table:
    """A row comes again, and all rows in another order."""
    rows = np.arange(table.num_rows)
    return table.take(np.random.default_rng(row).permutation(np.append(rows, rows[row % max(1, len(rows)) :][:1])))


def emptied(table: pa.Table) -> pa.Table:
    """No row came."""
    return table.slice(0, 0)


POSITIONS, TEXTS = st.integers(0, 40), st.sampled_from(CELLS) | st.text(max_size=8)
SPOTS = st.builds(lambda *given: partial(cell, *given), POSITIONS, POSITIONS, TEXTS)
COLUMNS = st.one_of(
    st.builds(lambda *given: partial(filled, *given), POSITIONS, TEXTS),
    st.builds(lambda *given: partial(typed, *given), POSITIONS, st.sampled_from(TYPES)),
    st.builds(lambda *given: partial(renamed, *given), POSITIONS, st.sampled_from(["known_at", "_rule", "", "extra"])),
    st.builds(lambda column: partial(dropped, column), POSITIONS),
    st.builds(lambda row: partial(repeated, row), POSITIONS),
    st.just(emptied),
)
Spoiling = tuple[bool, list[Dirt], list[Dirt]]
"""Whether the delivery has types to begin with, what is done to its cells, what is done to its columns and rows."""
SPOILINGS = st.lists(
    st.tuples(st.booleans(), st.lists(SPOTS, max_size=8), st.lists(COLUMNS, max_size=1)), min_size=WEEKS, max_size=WEEKS
).filter(lambda spoilings: sum(len(cells) + len(columns) for _, cells, columns in spoilings) >= WEEKS)
"""One per week; hypothesis tries the simplest first, which is no dirt at all."""


@cache
def makers(table: str) -> Maker:
    return Maker(reader.load(table))


def judged(maker: Maker, delivered: Mapping[str, pa.Table], beside: Surroundings) -> list[Verdict]:
    return list(check_weeks(maker.contract, list(delivered), delivered.__getitem__, beside))


def content(table: pa.Table) -> bytes:
    """A table as a file holds it: what lies in the memory behind a null does not count."""
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def memory(table: pa.Table) -> bytes:
    """A table as it lies in memory."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def spoilt(table: pa.Table, spoiling: Spoiling) -> pa.Table:
    """A valid delivery after all that is done to it."""
    typed_cells, cells, others = spoiling
    found = table if typed_cells else as_texts(table)
    for dirt in (*cells, *others):
        found = dirt(found)
    return found


def said(verdict: Verdict) -> tuple[object, ...]:
    tables = content(verdict.clean), content(verdict.quarantined)
    return *tables, verdict.passed, verdict.reasons, repr(verdict.outcomes), repr(verdict.profile)


def split_without_loss(table: str, spoilings: list[Spoiling]) -> None:
    """Judges spoiled weeks of a table; raises AssertionError where a row is lost or changed, or a verdict differs."""
    maker = makers(table)
    valid = {week(number): maker.table(number, ROWS) for number in range(WEEKS)}
    beside = surroundings(maker, valid)
    delivered = {name: spoilt(rows, one) for (name, rows), one in zip(valid.items(), spoilings, strict=True)}
    before = {name: memory(rows) for name, rows in delivered.items()}
    verdicts = judged(maker, delivered, beside)
    assert {name: memory(rows) for name, rows in delivered.items()} == before
    assert [said(verdict) for verdict in judged(maker, delivered, beside)] == [said(verdict) for verdict in verdicts]
    for verdict in verdicts:
        raw = delivered[verdict.week]
        assert verdict.rows_in == raw.num_rows == verdict.clean.num_rows + verdict.quarantined.num_rows
        taken = as_text(raw.take(verdict.quarantined.column("_row")))
        assert [cells.to_pylist() for cells in taken.columns] == [
            cells.to_pylist() for cells in verdict.quarantined.columns[: raw.num_columns]
        ]
    clean = {verdict.week: verdict.clean for verdict in verdicts}
    assert [verdict.quarantined.num_rows for verdict in judged(maker, clean, beside)] == [0] * WEEKS
