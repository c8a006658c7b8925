"""Writes a week's rows into a system's database: one schema for SQLite and PostgreSQL, the fast way in of each."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from coupon_pipeline.simulation.feeds.text import csv_lines

PATIENCE_SECONDS: Final = 60.0
"""How long a writer waits for another one."""
TOGETHER: Final = 100
"""Rows per statement of SQLite."""


@dataclass(frozen=True)
class Rows:
    """Rows of one table, in the order of its columns; those whose `instant` lies in the week are replaced."""

    table: sa.Table
    cells: pa.Table
    instant: str
    keep: bool = False
    """Leave what is there, and add the rows whose primary key is new."""


def write(
    database: Path | str, metadata: sa.MetaData, weeks_rows: Sequence[Rows], opens: datetime, closes: datetime
) -> None:
    """Put the rows of [opens, closes) in place of those there, all tables in one transaction.

    `database` is the path of a SQLite file or the URL of a PostgreSQL database; tables are made where they are missing.
    """
    if isinstance(database, Path):
        _write_sqlite(database, metadata, weeks_rows, opens, closes)
    else:
        _write_postgresql(database, metadata, weeks_rows, opens, closes)


def _statements(metadata: sa.MetaData, dialect: sa.Dialect) -> Iterator[str]:
    """The schema, each part only where it is missing."""
    for table in metadata.sorted_tables:
        yield str(CreateTable(table, if_not_exists=True).compile(dialect=dialect))
        for index in sorted(table.indexes, key=lambda index: str(index.name)):
            yield str(CreateIndex(index, if_not_exists=True).compile(dialect=dialect))


@contextmanager
def opened(path: Path) -> Generator[sqlite3.Connection]:
    """A SQLite database of a system that one program writes while others read; a kill never damages it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(path, PATIENCE_SECONDS, isolation_level=None)) as connection:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = normal")
        yield connection


def _write_sqlite(
    path: Path, metadata: sa.MetaData, weeks_rows: Sequence[Rows], opens: datetime, closes: datetime
) -> None:
    with opened(path) as connection:
        # Before anything is read: two writers would else wait for each other.
        connection.execute("begin immediate")
        for statement in [*_statements(metadata, sqlite.dialect()), *views(metadata, "create view if not exists")]:
            connection.execute(statement)
        for rows in weeks_rows:
            names = ", ".join(rows.cells.column_names)
            if not rows.keep:
                bounds = (opens.isoformat(" ", "microseconds"), closes.isoformat(" ", "microseconds"))
                connection.execute(
                    f"delete from {rows.table.name} where {rows.instant} >= ? and {rows.instant} < ?", bounds
                )
            verb = "insert or ignore" if rows.keep else "insert"
            _insert(connection, f"{verb} into {rows.table.name} ({names}) values", rows.cells)
        connection.execute("commit")


def _insert(connection: sqlite3.Connection, statement: str, cells: pa.Table) -> None:
    """Insert rows, many per statement: twice as fast as one by one."""
    columns = [values(column) for column in cells.columns]
    flat = list(chain.from_iterable(zip(*columns, strict=True)))
    places = f"({', '.join('?' * cells.num_columns)})"
    whole = cells.num_rows // TOGETHER * TOGETHER * cells.num_columns
    step = TOGETHER * cells.num_columns
    connection.executemany(
        f"{statement} {', '.join([places] * TOGETHER)}", (flat[at : at + step] for at in range(0, whole, step))
    )
    if whole < len(flat):
        connection.execute(f"{statement} {', '.join([places] * (cells.num_rows % TOGETHER))}", flat[whole:])


def _write_postgresql(
    url: str, metadata: sa.MetaData, weeks_rows: Sequence[Rows], opens: datetime, closes: datetime
) -> None:
    import psycopg

    place = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(place) as connection:
        connection.execute("set client_min_messages = warning")
        # Two writers that make the same tables at once would fail on the catalogue's own keys.
        connection.execute("select pg_advisory_xact_lock(hashtext(%s))", ("the simulated chain",))
        for statement in [*_statements(metadata, postgresql.dialect()), *views(metadata, "create or replace view")]:
            connection.execute(statement.encode())
        for rows in weeks_rows:
            names = ", ".join(rows.cells.column_names)
            target = rows.table.name
            if rows.keep:
                connection.execute(f"create temporary table incoming (like {rows.table.name}) on commit drop".encode())
                target = "incoming"
            else:
                connection.execute(
                    f"delete from {rows.table.name} where {rows.instant} >= %s and {rows.instant} < %s".encode(),
                    (opens, closes),
                )
            with (
                connection.cursor() as cursor,
                cursor.copy(f"copy {target} ({names}) from stdin (format csv)".encode()) as copy,
            ):
                copy.write(csv_lines(rows.cells))
            if rows.keep:
                connection.execute(
                    f"insert into {rows.table.name} select * from incoming on conflict do nothing".encode()
                )
                connection.execute("drop table incoming")


def drop_all(url: str, metadata: sa.MetaData) -> None:
    """Drop the tables and views of a schema in a PostgreSQL database, where they are there."""
    import psycopg

    place = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(place) as connection:
        connection.execute("set client_min_messages = warning")
        for name in metadata.info.get("views", {}):
            connection.execute(f"drop view if exists {name}".encode())
        for table in reversed(metadata.sorted_tables):
            connection.execute(f"drop table if exists {table.name}".encode())


def views(metadata: sa.MetaData, create: str) -> list[str]:
    """The statements that make the views of a schema, which `metadata.info` has as name -> SQL."""
    found: Mapping[str, str] = metadata.info.get("views", {})
    return [f"{create} {name} as {query}" for name, query in found.items()]


def values(column: pa.ChunkedArray) -> list[Any]:
    """Cells as SQLite stores them; instants and days are text, of one width so that they sort."""
    if pa.types.is_timestamp(column.type) or pa.types.is_date(column.type) or pa.types.is_string(column.type):
        return _shared(column)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    if column.null_count == 0:
        return column.to_numpy().tolist()
    filled = pc.call_function("coalesce", [column, pa.scalar(0, column.type)])
    cells: list[Any] = filled.to_numpy().tolist()
    for row in column.is_null().to_numpy().nonzero()[0].tolist():
        cells[row] = None
    return cells


def _shared(column: pa.ChunkedArray) -> list[Any]:
    """Text cells that share one object per value: few values make up most columns."""
    encoded = column.combine_chunks().dictionary_encode()
    texts = [*encoded.dictionary.cast(pa.string()).to_pylist(), None]
    last = pa.scalar(len(texts) - 1, encoded.indices.type)
    codes = pc.call_function("coalesce", [encoded.indices, last]).to_numpy().tolist()
    return [texts[code] for code in codes]
