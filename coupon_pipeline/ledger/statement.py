"""SQL as both databases understand it, written once with `:name` parameters, and what executes it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, Protocol, TypeVar

import sqlalchemy as sa
from psycopg import errors as psycopg_errors
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.dialects.sqlite import pysqlite

Dialect = Literal["sqlite", "postgresql"]
Row = tuple[Any, ...]
T = TypeVar("T")


@dataclass(frozen=True)
class Statement:
    """A statement with `:name` parameters; `{lock}` in it stands for a row lock, which SQLite does not need.

    `lock` is what PostgreSQL has in that place, such as `for update`.
    """

    text: str
    lock: str = ""

    @cached_property
    def sqlite(self) -> str:
        """The text for Python's sqlite3, parameters as `:name`."""
        return _compiled(self.text.replace("{lock}", ""), pysqlite.dialect(paramstyle="named"))

    @cached_property
    def postgresql(self) -> str:
        """The text for psycopg, parameters as `%(name)s`."""
        return _compiled(self.text.replace("{lock}", self.lock), psycopg.dialect())

    @cached_property
    def sqlite_in_order(self) -> str:
        """The text for sqlite3, parameters by their place."""
        return _compiled(self.text, pysqlite.dialect(paramstyle="qmark"))

    @cached_property
    def postgresql_in_order(self) -> str:
        """The text for psycopg, parameters by their place."""
        return _compiled(self.text, psycopg.dialect(paramstyle="format"))


def _compiled(text: str, dialect: sa.Dialect) -> str:
    return str(sa.text(text).compile(dialect=dialect))


class Transaction(Protocol):
    """What runs statements: within one transaction where something is written."""

    dialect: Dialect

    def one(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None; also the way to read what RETURNING gives."""
        ...

    def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        """All rows."""
        ...

    def run(self, statement: Statement, /, **values: Any) -> int:
        """Execute a plain UPDATE, DELETE or INSERT; returns how many rows it touched."""
        ...

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute an INSERT or UPDATE once per row."""
        ...

    def fill(self, statement: Statement, rows: Sequence[Row]) -> None:
        """Execute an INSERT once per row, whose cells are in the order of the statement's parameters."""
        ...


class Database(Protocol):
    """One database of the ledger, whichever it is."""

    dialect: Dialect

    def read(self, work: Callable[[Transaction], T], snapshot: bool = False) -> T:
        """Do work that changes nothing; with `snapshot` all its statements see one moment.

        Raises UnavailableError.
        """
        ...

    def write(self, work: Callable[[Transaction], T], patient: bool = False) -> T:
        """Do work in one transaction: durable when this returns, nothing changed when it raises.

        `patient` work takes longer than a till may wait: a chunk of a bulk issue, a claim.

        `work` may be called again after a deadlock, a lock timeout or a unique key that lost a race (it raises
        RetryError), so it must have no effect but on the transaction. Raises what `work` raises, and UnavailableError.
        """
        ...

    def close(self) -> None:
        """End all connections; what is queued is done first."""
        ...


class RetryError(Exception):
    """Raised by work that lost a race: roll back and do it again."""


def is_unique_violation(error: BaseException) -> bool:
    """Whether a database refused a row because its key is there already."""
    if isinstance(error, sqlite3.IntegrityError):
        return error.sqlite_errorcode in (sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY)
    return isinstance(error, psycopg_errors.UniqueViolation)
