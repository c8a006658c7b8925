"""Opens the ledger: its database at the revision of this code, and its keys."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError

from coupon_pipeline.ledger.keys import Keys, development_keys, read_keys
from coupon_pipeline.ledger.locations import OpeningError, located, shown
from coupon_pipeline.ledger.sqlite import SqliteDatabase, create_file
from coupon_pipeline.ledger.statement import Statement

if TYPE_CHECKING:
    from coupon_pipeline.ledger.ledger import Ledger
    from coupon_pipeline.ledger.postgresql import PostgresqlDatabase

REVISIONS: Final = ("0001", "0002")
"""What `migrations` holds, oldest first: named here so that a database in order is opened without Alembic."""
HEAD: Final = REVISIONS[-1]
IS_USED: Final = Statement("select 1 from pseudonym limit 1")


def open_database(url: str, *, migrate: bool = True) -> SqliteDatabase | PostgresqlDatabase:
    """The database at `sqlite:///path` or `postgresql://…`, at the newest revision.

    A missing file is made; an older database is moved forward if `migrate`, by one process while others wait.
    Raises OpeningError, OSError and UnavailableError.
    """
    location = located(url)
    database = _connected(location, migrate)
    try:
        revision = database.revision()
        if revision != HEAD:
            _check(location, revision, migrate)
            _move(location, database)
    except BaseException:
        database.close()
        raise
    return database


def open_ledger(url: str, keys_path: Path, environment: str, clock: Callable[[], int]) -> Ledger:
    """The ledger of a URL with the keys of a file; `clock` tells business time in epoch milliseconds.

    In development, keys that are missing are made at random. Raises OpeningError, KeysError, OSError, UnavailableError.
    """
    # The ledger opens databases itself, so this module cannot import it while it is loaded.
    from coupon_pipeline.ledger.ledger import Ledger

    is_production = environment == "production"
    keys = read_keys(keys_path) if is_production else None
    if keys and keys.is_development:
        raise OpeningError(
            f"{keys_path}: these keys were made in development, production takes none of them: "
            "name a file of its own in COUPON_LEDGER_KEYS; `ledger rotate-keys` makes it"
        )
    database = open_database(url)
    try:
        return Ledger(database, keys or _development_keys(database, keys_path), clock)
    except BaseException:
        database.close()
        raise


def _connected(location: sa.URL, make: bool) -> SqliteDatabase | PostgresqlDatabase:
    if location.get_backend_name() == "sqlite":
        path = Path(str(location.database))
        if make:
            create_file(path)
        elif not path.exists():
            raise OpeningError(f"{path}: there is no ledger: `python -m coupon_pipeline ledger upgrade` makes it")
        return SqliteDatabase(path)
    from coupon_pipeline.ledger.postgresql import PostgresqlDatabase

    return PostgresqlDatabase(location)


def _check(location: sa.URL, revision: str | None, migrate: bool) -> None:
    """Raise OpeningError unless the database may be moved to the newest revision."""
    if revision is not None and revision not in REVISIONS:
        raise OpeningError(
            f"the ledger at {shown(location)} has revision {revision}, this code knows {HEAD} at most: "
            "run the code that made it, or let that code `ledger downgrade` it first"
        )
    if not migrate:
        raise OpeningError(
            f"the ledger at {shown(location)} has revision {revision or 'none'}, this code needs {HEAD}: "
            "run `python -m coupon_pipeline ledger upgrade`"
        )


def _move(location: sa.URL, database: SqliteDatabase | PostgresqlDatabase) -> None:
    from coupon_pipeline.ledger.moves import move

    try:
        move(location, HEAD)
    except DBAPIError as error:
        raise database.named(error.orig) from error


def _development_keys(database: SqliteDatabase | PostgresqlDatabase, path: Path) -> Keys:
    """Keys made at random where there are none, unless the ledger has been written with keys that are lost."""
    if database.read(lambda transaction: transaction.one(IS_USED)) and not path.exists():
        return read_keys(path)
    return development_keys(path)
