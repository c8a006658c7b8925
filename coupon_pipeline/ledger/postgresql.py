"""The ledger in PostgreSQL, for any number of machines: a pool of connections, and races that are run again."""

from __future__ import annotations

import select
from collections import deque
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, LiteralString, cast

import psycopg
import sqlalchemy as sa
from psycopg.pq import TransactionStatus
from sqlalchemy import event, exc
from sqlalchemy.pool import PoolProxiedConnection
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from coupon_pipeline.ledger.failures import unavailable
from coupon_pipeline.ledger.postgresql_failures import RACES, named
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.statement import (
    Database,
    Dialect,
    Row,
    Statement,
    T,
    Transaction,
)

TRIES: Final = 4
POOL: Final = 18
OVERFLOW: Final = 14
POOL_SECONDS: Final = 5
CONNECT_SECONDS: Final = 3
SETTINGS: Final = (
    "set statement_timeout = '3s'; set lock_timeout = '2s'; set idle_in_transaction_session_timeout = '5s'; "
    "set default_transaction_isolation = 'read committed'; set timezone = 'UTC'"
)
BEGIN: Final = "begin"
LONG: Final = (
    "set local statement_timeout = '300s'; set local lock_timeout = '30s'; "
    "set local idle_in_transaction_session_timeout = '120s'"
)
PATIENT: Final = f"begin; {LONG}"
SNAPSHOT: Final = f"begin isolation level repeatable read read only; {LONG}"
"""What reads everything, such as an audit, is no till: it may take its time."""
Connection = psycopg.Connection[Row]
KEPT: Final = "transaction"
"""What the pool keeps of a connection beside it."""


class PostgresqlTransaction:
    """Runs statements on a connection."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        # One cursor for the life of the connection: a fresh one would convert every query anew.
        self._cursor = connection.cursor()

    def begin(self, how: LiteralString) -> None:
        """Begin a transaction."""
        self._cursor.execute(how)

    def one(self, statement: Statement, /, **values: Any) -> Row | None:
        """The first row, or None."""
        return self._run(statement, values).fetchone()

    def all(self, statement: Statement, /, **values: Any) -> list[Row]:
        """All rows."""
        return self._run(statement, values).fetchall()

    def run(self, statement: Statement, /, **values: Any) -> int:
        """Execute a plain UPDATE, DELETE or INSERT; returns how many rows it touched."""
        return self._run(statement, values).rowcount

    def many(self, statement: Statement, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute an INSERT or UPDATE once per row."""
        self._cursor.executemany(cast("LiteralString", statement.postgresql), rows)

    def fill(self, statement: Statement, rows: Sequence[Row]) -> None:
        """Execute an INSERT once per row, whose cells are in the order of the statement's parameters."""
        self._cursor.executemany(cast("LiteralString", statement.postgresql_in_order), rows)

    def _run(self, statement: Statement, values: Mapping[str, Any]) -> psycopg.Cursor[Row]:
        return self._cursor.execute(cast("LiteralString", statement.postgresql), values)


class PostgresqlDatabase(Database):
    """The tables of the ledger on a server; it belongs to the process that made it."""

    dialect: Dialect = "postgresql"

    def __init__(self, url: sa.URL) -> None:
        """Connects when it is first used."""
        self._engine = engine_for(url, pool_size=POOL, max_overflow=OVERFLOW, pool_timeout=POOL_SECONDS)
        event.listen(self._engine, "connect", _prepare)
        event.listen(self._engine, "checkout", _check)
        self._readers: deque[PostgresqlTransaction] = deque()
        self._is_closed = False
        races = retry_if_exception_type(RACES)
        waits = wait_random_exponential(multiplier=0.02, max=0.5)
        self._retrying = Retrying(retry=races, stop=stop_after_attempt(TRIES), wait=waits, reraise=True)

    def read(self, work: Callable[[Transaction], T], snapshot: bool = False) -> T:
        """Do work that changes nothing; with `snapshot` all its statements see one moment.

        Raises what `work` raises, and UnavailableError.
        """
        transaction = self._reader()
        try:
            if snapshot:
                transaction.begin(SNAPSHOT)
            return work(transaction)
        except psycopg.Error as error:
            raise named(error) from error
        finally:
            self._rest(transaction)

    def write(self, work: Callable[[Transaction], T], patient: bool = False) -> T:
        """Do work in one transaction: durable when this returns, nothing changed when it raises.

        A statement may take 3 s, or minutes if `patient`. Work that lost a race is done again, 4 times at most.
        Raises what `work` raises, and UnavailableError.
        """
        try:
            return self._retrying(self._once, work, PATIENT if patient else BEGIN)
        except RACES as error:
            if isinstance(error, psycopg.IntegrityError):
                raise
            raise unavailable(Reason.UNAVAILABLE) from error

    def close(self) -> None:
        """End all connections; one that is in use ends with its work."""
        self._is_closed = True
        self._engine.dispose()
        while self._readers:
            self._readers.pop().connection.close()

    def _once(self, work: Callable[[Transaction], T], begin: LiteralString) -> T:
        committing = False
        with self._transaction() as transaction:
            try:
                transaction.begin(begin)
                result = work(transaction)
                committing = True
                transaction.connection.commit()
            except RACES:
                raise
            except psycopg.Error as error:
                raise named(error, committing) from error
        return result

    def _reader(self) -> PostgresqlTransaction:
        """A connection that waits for readers, who would pay the pool's care with a third of their time; or another."""
        if self._is_closed:
            raise unavailable(Reason.UNAVAILABLE)
        try:
            while True:
                transaction = self._readers.pop()
                if not _has_word(transaction.connection):
                    return transaction
                transaction.connection.close()
        except IndexError:
            pass
        try:
            pooled = self._engine.raw_connection()
        except (exc.SQLAlchemyError, psycopg.Error) as error:
            raise unavailable(Reason.UNAVAILABLE) from error
        connection = cast("Connection", pooled.driver_connection)
        pooled.detach()
        return PostgresqlTransaction(connection)

    def _rest(self, transaction: PostgresqlTransaction) -> None:
        connection = transaction.connection
        _roll_back(connection)
        if self._is_closed:
            connection.close()
        if not connection.closed:
            self._readers.append(transaction)

    @contextmanager
    def _transaction(self) -> Generator[PostgresqlTransaction]:
        """What runs on a connection of the pool, which goes back without a transaction, or not at all if it is lost."""
        if self._is_closed:
            raise unavailable(Reason.UNAVAILABLE)
        try:
            pooled = self._engine.raw_connection()
        except (exc.SQLAlchemyError, psycopg.Error) as error:
            raise unavailable(Reason.UNAVAILABLE) from error
        try:
            if KEPT not in pooled.info:
                pooled.info[KEPT] = PostgresqlTransaction(cast("Connection", pooled.driver_connection))
            yield pooled.info[KEPT]
        finally:
            _put_back(pooled)


def engine_for(url: sa.URL, **options: Any) -> sa.Engine:
    """An engine for a server; what psycopg would ask the server for at each connection is not needed here."""
    return sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={"connect_timeout": CONNECT_SECONDS},
        use_native_hstore=False,
        pool_reset_on_return=None,
        pool_use_lifo=True,
        **options,
    )


def _prepare(connection: Connection, _: Any) -> None:
    """Set up a new connection; each transaction begins and ends by a statement of its own."""
    connection.autocommit = True
    connection.execute(SETTINGS)


def _check(connection: Connection, _: Any, __: Any) -> None:
    """Replace an idle connection to which the server has said something, as it does when it goes; costs no answer."""
    if _has_word(connection):
        raise exc.InvalidatePoolError


def _has_word(connection: Connection) -> bool:
    """Whether the server has said something unasked, or the connection is gone."""
    watcher = select.poll()
    try:
        watcher.register(connection.pgconn.socket, select.POLLIN)
    except psycopg.Error:
        return True
    return bool(watcher.poll(0))


def _roll_back(connection: Connection) -> None:
    """End what a connection has begun; one that is lost is closed by that."""
    try:
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.rollback()
    except psycopg.Error:
        pass


def _put_back(pooled: PoolProxiedConnection) -> None:
    connection = cast("Connection", pooled.driver_connection)
    _roll_back(connection)
    if connection.closed:
        pooled.invalidate()
    else:
        pooled.close()
