"""Moves a database from one revision of its tables to another; only one process at a time does that to a database."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, cast

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from filelock import FileLock
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from coupon_pipeline.ledger import sqlite_failures

LOCK: Final = 0x636F75706F6E  # "coupon"
"""Number of PostgreSQL's advisory lock: any will do that nobody else takes in the same database."""
FOLDER: Final = Path(__file__).parent / "migrations"


def configuration() -> Config:
    """What Alembic reads from an ini file elsewhere."""
    config = Config()
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    return config


def revisions() -> tuple[str, ...]:
    """All revisions that this code knows, oldest first."""
    scripts = ScriptDirectory.from_config(configuration()).walk_revisions()
    return tuple(script.revision for script in reversed(list(scripts)))


def move(url: sa.URL, revision: str) -> None:
    """Move the database to a revision, `head` the newest, `base` none; whole or not at all.

    Raises UnavailableError.
    """
    engine = engine_for(url)
    try:
        with _alone(engine, url) as connection:
            config = configuration()
            config.attributes["connection"] = connection
            current = revision_of(connection)
            known = ["base", *revisions()]
            target = known[-1] if revision == "head" else revision
            is_up = known.index(target) >= known.index(current or "base")
            (command.upgrade if is_up else command.downgrade)(config, target)
    except DBAPIError as error:
        raise _named(error) from error
    finally:
        engine.dispose()


def revision_of(connection: sa.Connection) -> str | None:
    """The revision that a database is at; None before the first."""
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    return connection.scalar(sa.text("select version_num from alembic_version"))


def engine_for(url: sa.URL) -> sa.Engine:
    """An engine of its own connections, whose transactions cover changes of tables as well, on SQLite too."""
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _no_transactions_by_itself)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("begin immediate"))
    return engine


def _no_transactions_by_itself(connection: sqlite3.Connection, _: Any) -> None:
    connection.isolation_level = None
    for setting in ("busy_timeout = 10000", "foreign_keys = on", "synchronous = full"):
        connection.execute(f"pragma {setting}")


@contextmanager
def _alone(engine: sa.Engine, url: sa.URL) -> Generator[sa.Connection]:
    """A transaction in which nobody else moves this database."""
    if url.get_backend_name() == "sqlite":
        with FileLock(f"{url.database}.lock", mode=0o600), engine.begin() as connection:
            yield connection
        return
    with engine.begin() as connection:
        connection.execute(sa.text("select pg_advisory_xact_lock(:lock)"), {"lock": LOCK})
        yield connection


def _named(error: DBAPIError) -> Exception:
    if isinstance(error.orig, sqlite3.Error):
        return sqlite_failures.named(error.orig)
    # SQLite alone does without the driver of PostgreSQL.
    from coupon_pipeline.ledger import postgresql_failures

    return postgresql_failures.named(cast("Any", error.orig))
