"""Rows of a database as Arrow columns, chunk by chunk, so that a large week is never whole in Python objects."""

from __future__ import annotations

from contextlib import closing
from decimal import Decimal
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from coupon_pipeline.sources.values import to_text, to_utc

CHUNK_ROWS = 2_000
"""Rows that are fetched at once: more no longer fit the processor's cache, and take half as long again."""


def fetched(connection: sa.Connection, statement: sa.Select) -> pa.Table:
    """The rows of a statement; what the driver gives is text, numbers, days, or instants in naive UTC."""
    chunks: list[list[pa.Array]] = []
    with closing(_cursor(connection, statement)) as cursor:
        while rows := cursor.fetchmany(CHUNK_ROWS):
            chunks.append([_array(cells) for cells in zip(*rows, strict=True)])
    names = list(statement.selected_columns.keys())
    columns = [_one_type([chunk[number] for chunk in chunks]) for number in range(len(names))]
    return pa.table(dict(zip(names, columns, strict=True)))


def _cursor(connection: sa.Connection, statement: sa.Select) -> Any:
    """The driver's own cursor: rows of SQLAlchemy's take a third more time."""
    driver: Any = connection.connection.driver_connection
    compiled = statement.compile(connection)
    if connection.dialect.name == "sqlite":
        return driver.execute(str(compiled), [compiled.params[name] for name in compiled.positiontup or ()])
    # A cursor with a name stays on the server, which else sends all rows at once.
    cursor = driver.cursor(name="rows")
    try:
        return cursor.execute(str(compiled), compiled.params)
    except BaseException:
        cursor.close()
        raise


def _array(cells: tuple[Any, ...]) -> pa.Array:
    try:
        found = pa.array(cells)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return pa.array([_text(cell) for cell in cells], pa.string())
    if pa.types.is_decimal(found.type) or pa.types.is_nested(found.type) or pa.types.is_binary(found.type):
        return pa.array([_text(cell) for cell in cells], pa.string())
    if pa.types.is_timestamp(found.type):
        return pa.array([None if cell is None else to_utc(cell, None) for cell in cells], pa.timestamp("us"))
    return found


def _text(cell: Any) -> str | None:
    if cell is None:
        return None
    return format(cell, "f") if isinstance(cell, Decimal) else str(cell)


def _one_type(chunks: list[pa.Array]) -> pa.ChunkedArray:
    types = {chunk.type for chunk in chunks} - {pa.null()}
    if len(types) <= 1:
        target = types.pop() if types else pa.null()
        return pa.chunked_array([chunk.cast(target) for chunk in chunks], target)
    # A column without a type of its own, as in SQLite: text is what they have in common.
    return pa.chunked_array([part for chunk in chunks for part in to_text(pa.chunked_array([chunk])).chunks])
