"""Opens the ledger: its database at the revision of this code, and its keys."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from coupon_pipeline.ledger.keys import (
    KeyFile,
    Keys,
    development_keys,
    read_keys,
)
from coupon_pipeline.ledger.locations import OpeningError, located, shown
from coupon_pipeline.ledger.sqlite import SqliteDatabase, create_file
from coupon_pipeline.ledger.statement import (
    Database,
    Dialect,
    Row,
    Statement,
    Transaction,
)

if TYPE_CHECKING:
    from coupon_pipeline.ledger.ledger import Ledger
    from coupon_pipeline.ledger.postgresql import PostgresqlDatabase

REVISIONS: Final = ("0001", "0002")
"""What `migrations` holds, oldest first: named here so that a database in order is opened without Alembic."""
HEAD: Final = REVISIONS[-1]
UPGRADE: Final = "`python -m coupon_pipeline ledger upgrade`"
HAS_REVISION: Final[dict[Dialect, Statement]] = {
    "sqlite": Statement("select 1 from sqlite_master where name = 'alembic_version'"),
    "postgresql": Statement("select 1 where to_regclass('alembic_version') is not null"),
}
REVISION: Final = Statement("select version_num from alembic_version")
IS_USED: Final = Statement("select 1 from pseudonym limit 1")


def open_database(url: str, *, migrate: bool = True) -> SqliteDatabase | PostgresqlDatabase:
    """The database at `sqlite:///path` or `postgresql://…`, at the newest revision.

    A missing file is made; an older database is moved forward if `migrate`, by one process while others wait.
    Raises OpeningError, OSError and UnavailableError.
    """
    location = located(url)
    database = _connected(location, migrate)
    try:
        revision = revision_of(database)
        if revision != HEAD:
            _check(location, revision, migrate)
            _move(location, HEAD)
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
            "give it a ledger of its own, COUPON_LEDGER_URL and COUPON_LEDGER_KEYS in a fresh place; "
            "`ledger rotate-keys` makes the keys and `ledger upgrade` the tables"
        )
    _check_there(url, keys_path)
    database = open_database(url)
    try:
        keys = keys or _development_keys(database, keys_path)
        return Ledger(database, keys, clock, KeyFile(keys_path, keys))
    except BaseException:
        database.close()
        raise


def _check_there(url: str, keys_path: Path) -> None:
    """Raise OpeningError where there are keys and no file: an empty ledger in its place would know no coupon."""
    location = located(url)
    path = Path(str(location.database))
    if location.get_backend_name() == "sqlite" and keys_path.exists() and not path.exists():
        raise OpeningError(
            f"{path}: the ledger of {keys_path.name} is not there: `ledger restore` puts a backup back, "
            f"or {UPGRADE} begins an empty one"
        )


def move_database(url: str, revision: str) -> None:
    """Move the database of a URL to an older or newer revision, whole or not at all; what that revision lacks is lost.

    Raises OpeningError for a revision that this code does not know, OSError, and UnavailableError.
    """
    if revision not in REVISIONS:
        raise OpeningError(f"revision {revision!r} is none of the ledger's: give one of {', '.join(REVISIONS)}")
    location = located(url)
    with closing(_connected(location, make=False)) as database:
        _check(location, revision_of(database), migrate=True)
    _move(location, revision)


def revision_of(database: Database) -> str | None:
    """The revision of a database's tables, None where there are none; raises UnavailableError."""

    def read(transaction: Transaction) -> Row | None:
        return transaction.one(HAS_REVISION[transaction.dialect]) and transaction.one(REVISION)

    row = database.read(read)
    return row[0] if row else None


def is_used(database: Database) -> bool:
    """Whether a ledger knows a household, and so was written with keys; raises UnavailableError."""
    return database.read(lambda transaction: transaction.one(IS_USED)) is not None


def _connected(location: sa.URL, make: bool) -> SqliteDatabase | PostgresqlDatabase:
    if location.get_backend_name() == "sqlite":
        path = Path(str(location.database))
        if make:
            create_file(path)
        elif not path.exists():
            raise OpeningError(f"{path}: there is no ledger: {UPGRADE} makes it")
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
            f"the ledger at {shown(location)} has revision {revision or 'none'}, this code needs {HEAD}: run {UPGRADE}"
        )


def _move(location: sa.URL, revision: str) -> None:
    # Alembic costs more to import than all else here, and is needed once in a ledger's life, or twice.
    from coupon_pipeline.ledger.moves import move

    move(location, revision)


def _development_keys(database: SqliteDatabase | PostgresqlDatabase, path: Path) -> Keys:
    """Keys made at random where there are none, unless the ledger has been written with keys that are lost."""
    if is_used(database) and not path.exists():
        return read_keys(path)
    return development_keys(path)
