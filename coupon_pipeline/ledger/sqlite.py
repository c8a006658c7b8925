"""The ledger in one SQLite file, for one machine: readers beside one writer, which commits for all that wait."""

from __future__ import annotations

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from coupon_pipeline.ledger.failures import unavailable
from coupon_pipeline.ledger.group_commit import GroupCommit
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.sqlite_failures import named
from coupon_pipeline.ledger.statement import (
    Database,
    Dialect,
    Row,
    Statement,
    T,
    Transaction,
)

BUSY_MS: Final = 10_000
SETTINGS: Final = (
    f"pragma busy_timeout = {BUSY_MS}",
    "pragma journal_mode = wal",
    "pragma synchronous = full",
    "pragma foreign_keys = on",
    "pragma trusted_schema = off",
    "pragma temp_store = memory",
    f"pragma journal_size_limit = {64 * 2**20}",
)
WRITER: Final = ("pragma busy_timeout = 0", f"pragma cache_size = {-64 * 2**10}")
"""It waits for other processes in its own way; pages that it has read stay good until another process writes."""
READER: Final = ("pragma query_only = on",)


class SqliteTransaction:
    """Runs statements on a connection."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: sqlite3.Connection) -> None:
        cursor = connection.cursor()
        self._execute, self._many = cursor.execute, cursor.executemany

    def one(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None."""
        # All are fetched: a RETURNING that is not read to its end forbids the commit.
        rows = self._execute(statement.sqlite, values).fetchall()
        return rows[0] if rows else None

    def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        """All rows."""
        return self._execute(statement.sqlite, values).fetchall()

    def run(self, statement: Statement, /, **values: Any) -> int:
        """Execute a plain UPDATE, DELETE or INSERT; returns how many rows it touched."""
        return self._execute(statement.sqlite, values).rowcount

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute an INSERT or UPDATE once per row."""
        self._many(statement.sqlite, rows)

    def fill(self, statement: Statement, rows: Sequence[Row]) -> None:
        """Execute an INSERT once per row, whose cells are in the order of the statement's parameters."""
        self._many(statement.sqlite_in_order, rows)


class _Reader(SqliteTransaction):
    """What only reads, with its connection."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        super().__init__(connection)


class SqliteDatabase(Database):
    """A file with the tables of the ledger; its folder must be on a local disk.

    It belongs to the process that made it: a child made by fork opens its own.
    """

    dialect: Dialect = "sqlite"

    def __init__(self, path: Path) -> None:
        """Opens a file that exists; raises UnavailableError where that is not possible."""
        self.path = path
        self._readers: deque[_Reader] = deque()
        self._is_closed = False
        connection = self._connected(WRITER)
        self._writer = GroupCommit(connection, SqliteTransaction(connection))

    def read(self, work: Callable[[Transaction], T], snapshot: bool = False) -> T:
        """Do work that changes nothing; with `snapshot` all its statements see one moment.

        Raises what `work` raises, and UnavailableError.
        """
        reader = self._reader()
        try:
            if snapshot:
                reader.connection.execute("begin")
            return work(reader)
        except sqlite3.Error as error:
            raise named(error) from error
        finally:
            if reader.connection.in_transaction:
                reader.connection.execute("rollback")
            self._readers.append(reader)
            if self._is_closed:
                self._close_readers()

    def write(self, work: Callable[[Transaction], T], patient: bool = False) -> T:
        """Do work in one transaction: durable when this returns, nothing changed when it raises.

        A caller waits 5 s at most, or minutes if `patient`; then it is told OUTCOME_UNKNOWN and the work may still be
        done. Raises what `work` raises, and UnavailableError.
        """
        return self._writer.run(work, patient)

    @property
    def waiting(self) -> int:
        """How many writes are queued in this process."""
        return self._writer.waiting

    def close(self) -> None:
        """Finish what is queued and end all connections."""
        self._is_closed = True
        self._writer.close()
        self._close_readers()

    def _reader(self) -> _Reader:
        try:
            return self._readers.pop()
        except IndexError:
            pass
        if self._is_closed:
            raise unavailable(Reason.UNAVAILABLE)
        return _Reader(self._connected(READER))

    def _connected(self, settings: Sequence[str]) -> sqlite3.Connection:
        try:
            return connect(self.path, settings)
        except sqlite3.Error as error:
            # SQLite cannot tell a file that is not writable from one that is not there.
            is_forbidden = not all(os.access(place, os.R_OK | os.W_OK) for place in (self.path, self.path.parent))
            raise unavailable(Reason.READ_ONLY) if is_forbidden else named(error) from error

    def _close_readers(self) -> None:
        while self._readers:
            self._readers.pop().connection.close()


def create_file(path: Path) -> None:
    """Make an empty file that its owner alone can read, where there is none; SQLite gives its helpers the same mode."""
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))


def connect(path: Path, settings: Sequence[str] = ()) -> sqlite3.Connection:
    """A connection that begins no transactions by itself and may be used by one thread after the other."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        for setting in (*SETTINGS, *settings):
            connection.execute(setting).fetchall()
    except sqlite3.Error:
        connection.close()
        raise
    return connection
