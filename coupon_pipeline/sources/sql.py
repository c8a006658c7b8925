"""The connector for databases: SQLite files, opened read-only, and PostgreSQL."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.fetching import fetched
from coupon_pipeline.sources.retrying import TransientError, retried
from coupon_pipeline.sources.rows import Rows, Window, stamped
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.starting import Starter
from coupon_pipeline.sources.systems import SqlSystem, is_local

UTC_TEXT = re.compile(r"\d{4}-\d\d-\d\d(?:(?P<between>[ T])\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|\+00(?::?00)?)?)?")
NEVER_HELPS = re.compile(r"no such (table|column)|not a database|authentication|password|does not exist|permission")


class Sql:
    """Reads tables, views and queries of one database."""

    def __init__(self, system: SqlSystem, url: str, starter: Starter) -> None:
        self.system = system
        self.starter = starter
        try:
            self.url = sa.make_url(url)
        except ArgumentError as error:
            raise SourceError("the url is none: give sqlite:///<path> or postgresql://<user>@<host>/<name>") from error
        backend = self.url.get_backend_name()
        if backend not in ("sqlite", "postgresql"):
            raise SourceError(f"{backend} is not supported: give sqlite:///<path> or postgresql://<user>@<host>/<name>")
        self.path = Path(self.url.database or "") if backend == "sqlite" else None

    def prepare(self) -> None:
        """Make the database by the system's command where its file is missing; raises SourceError."""
        if is_local(str(self.url)):
            self.starter.make(self.system, self.path or Path())
        if self.path is not None and not self.path.is_file():
            raise SourceError(f"the database {self.path} is missing: set `url` of the system to where it is")

    def rows(self, table: TableConfig, window: Window) -> Rows:
        """The rows whose instant lies in the week; with `arrival`, all that there are."""
        return retried(self.system.retry, lambda: self._attempt(table, window))

    def before(self, table: TableConfig, window: Window) -> Rows | None:
        """Nothing: a database shows what is, not what was."""
        return None

    def inputs(self, table: TableConfig, window: Window) -> list[Any]:
        """Nothing: rows known in a week that is over do not change."""
        return []

    def _attempt(self, table: TableConfig, window: Window) -> Rows:
        try:
            with self._connected() as connection:
                return self._read(connection, table, window)
        except (DBAPIError, sqlite3.Error) as error:
            raise self._failure(error) from error
        except Exception as error:
            # Rows are fetched past SQLAlchemy, so that the driver's own errors are seen too.
            if type(error).__module__.startswith("psycopg"):
                raise self._failure(error) from error
            raise

    def _read(self, connection: sa.Connection, table: TableConfig, window: Window) -> Rows:
        origin = _origin(connection, table)
        columns = [sa.column(name) for name in table.wanted]
        statement = sa.select(*columns).select_from(origin)
        if table.known_at.column is None:
            return stamped(fetched(connection, statement), window.last_instant)
        known_at = sa.column(table.known_at.column)
        bounds = _bounds(
            connection, sa.select(known_at).select_from(origin).where(known_at.is_not(None)), table, window
        )
        if bounds is not None:
            statement = statement.where(known_at >= bounds[0], known_at < bounds[1])
        cells = fetched(connection, statement if bounds else statement.where(sa.false()))
        return Rows(cells, cells[table.known_at.column])

    @contextmanager
    def _connected(self) -> Generator[sa.Connection]:
        engine = self._engine()
        try:
            with engine.connect() as connection, connection.begin():
                yield connection
        finally:
            engine.dispose()

    def _engine(self) -> sa.Engine:
        seconds = self.system.timeout_seconds
        if self.path is not None:
            uri = f"{self.path.absolute().as_uri()}?mode=ro"
            return sa.create_engine(
                "sqlite://", poolclass=NullPool, creator=lambda: sqlite3.connect(uri, uri=True, timeout=seconds)
            )
        options = f"-c timezone=UTC -c lock_timeout={int(seconds * 1000)} -c default_transaction_read_only=on"
        connect = {"connect_timeout": max(1, round(seconds)), "options": options}
        return sa.create_engine(self.url.set(drivername="postgresql+psycopg"), poolclass=NullPool, connect_args=connect)

    def _failure(self, error: BaseException) -> Exception:
        """The failure in one line: transient where the database is busy, down, or has hung up."""
        said = str(getattr(error, "orig", None) or error).strip().splitlines()
        cause = f"{self.url.render_as_string(hide_password=True)}: {said[0] if said else type(error).__name__}"
        kinds = {kind.__name__ for kind in type(getattr(error, "orig", None) or error).__mro__}
        if "OperationalError" in kinds and not NEVER_HELPS.search(cause):
            return TransientError(cause)
        return SourceError(cause)


def _origin(connection: sa.Connection, table: TableConfig) -> sa.FromClause:
    """What is selected from; raises SourceError where it lacks a wanted column."""
    if table.query is not None:
        origin: sa.FromClause = sa.text(table.query.strip().rstrip(";")).columns().subquery("asked")
    else:
        *schema, name = (table.table or "").split(".")
        origin = sa.table(name, schema=".".join(schema) or None)
    empty = connection.execute(sa.select(sa.literal_column("*")).select_from(origin).where(sa.false()))
    found = list(empty.keys())
    missing = [name for name in table.wanted if name not in found]
    if missing:
        what = table.table or "the query"
        raise SourceError(f"{what} lacks the column {', '.join(missing)}: found {', '.join(found)}")
    return origin


def _bounds(
    connection: sa.Connection, instants: sa.Select, table: TableConfig, window: Window
) -> tuple[Any, Any] | None:
    """The week's first instant and that of the next, as the column writes instants; None where it has none."""
    local = ZoneInfo(window.calendar.timezone) if table.known_at.time == "local" else None
    first = connection.execute(instants.limit(1)).first()
    if first is None:
        return None
    ends = [window.opens_at, window.closes_at]
    if local is not None:
        ends = [end.replace(tzinfo=UTC).astimezone(local).replace(tzinfo=None) for end in ends]
    if isinstance(first[0], datetime) and first[0].tzinfo is not None:
        ends = [end.replace(tzinfo=UTC) for end in (window.opens_at, window.closes_at)]
    elif isinstance(first[0], str):
        found = UTC_TEXT.fullmatch(first[0])
        if found is None:
            raise _unusable(table, first[0])
        # Shorter than any text of the same instant, so that it sorts before it whatever follows.
        written = "%Y-%m-%d" if local else f"%Y-%m-%d{found['between'] or ' '}%H:%M:%S"
        return ends[0].strftime(written), ends[1].strftime(written)
    elif not isinstance(first[0], date):
        raise _unusable(table, first[0])
    return ends[0], ends[1]


def _unusable(table: TableConfig, value: object) -> SourceError:
    return SourceError(
        f"the column {table.known_at.column} holds {value!r}: give instants in UTC, as timestamps or as ISO 8601 text "
        "(a query can convert them)"
    )
