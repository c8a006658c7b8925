"""The ledger in PostgreSQL, for any number of machines: a pool of connections, and races that are run again."""

from __future__ import annotations

import select
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
from coupon_pipeline.ledger.statement import Database, Dialect, Row, Statement, T, Transaction


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
PATIENT: Final = "begin; set local statement_timeout = '300s'; set local lock_timeout = '30s'"
SNAPSHOT: Final = "begin isolation level repeatable read read only"
HAS_REVISION: Final = Statement("select 1 where to_regclass('alembic_version') is not null")
Connection = psycopg.Connection[Row]


class PostgresqlTransaction:
    """Runs statements on a connection."""

    dialect: Dialect = "postgresql"

    def __init__(self, connection: Connection) -> None:
        self._cursor = connection.cursor()

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
        self._is_closed = False
        races = retry_if_exception_type(RACES)
        waits = wait_random_exponential(multiplier=0.02, max=0.5)
        self._retrying = Retrying(retry=races, stop=stop_after_attempt(TRIES), wait=waits, reraise=True)

    def read(self, work: Callable[[Transaction], T], snapshot: bool = False) -> T:
        """Do work that changes nothing; with `snapshot` all its statements see one moment.

        Raises what `work` raises, and UnavailableError.
        """
        with self._connection() as connection:
            if snapshot:
                connection.execute(SNAPSHOT)
            try:
                return work(PostgresqlTransaction(connection))
            except psycopg.Error as error:
                raise named(error) from error

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

    def revision(self) -> str | None:
        """The revision of the tables, None where there are none."""

        def read(transaction: Transaction) -> Row | None:
            return transaction.one(HAS_REVISION) and transaction.one(REVISION)

        row = self.read(read)
        return row and row[0]

    def close(self) -> None:
        """End all connections; one that is in use ends with its work."""
        self._is_closed = True
        self._engine.dispose()

    def _once(self, work: Callable[[Transaction], T], begin: LiteralString) -> T:
        committing = False
        with self._connection() as connection:
            try:
                connection.execute(begin)
                result = work(PostgresqlTransaction(connection))
                committing = True
                connection.commit()
            except RACES:
                raise
            except psycopg.Error as error:
                raise named(error, committing) from error
        return result

    @contextmanager
    def _connection(self) -> Generator[Connection]:
        """A connection of the pool, which goes back without a transaction, or not at all if it is lost."""
        if self._is_closed:
            raise unavailable(Reason.UNAVAILABLE)
        try:
            pooled = self._engine.raw_connection()
        except (exc.SQLAlchemyError, psycopg.Error) as error:
            raise unavailable(Reason.UNAVAILABLE) from error
        try:
            yield cast("Connection", pooled.driver_connection)
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
    watcher = select.poll()
    watcher.register(connection.pgconn.socket, select.POLLIN)
    if watcher.poll(0):
        raise exc.InvalidatePoolError


def _put_back(pooled: PoolProxiedConnection) -> None:
    connection = cast("Connection", pooled.driver_connection)
    try:
        if connection.info.transaction_status != TransactionStatus.IDLE:
            connection.rollback()
    except psycopg.Error:
        pass
    if connection.closed:
        pooled.invalidate()
    else:
        pooled.close()

