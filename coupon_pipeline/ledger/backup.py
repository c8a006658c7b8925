"""Copies the file of a ledger while it is in use, and puts such a copy back where no ledger is."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from coupon_pipeline.files import replacing
from coupon_pipeline.ledger.counters import skip_ahead
from coupon_pipeline.ledger.locations import OpeningError, located, shown
from coupon_pipeline.ledger.opening import REVISIONS, open_database

BESIDE: Final = ("", "-wal", "-shm", "-journal")
"""What SQLite keeps a database in."""
DUMP: Final = (
    "PostgreSQL copies itself, with its sequences and triggers, from one moment: "
    "pg_dump --format=custom --file={file} {url}"
)
PUT_BACK: Final = (
    "PostgreSQL restores what pg_dump has made: pg_restore --exit-on-error --dbname={url} {file}, into an empty "
    "database; then `ledger skip-ahead`, so that no number of a lost issue is given again"
)


def backup(url: str, file: Path) -> int:
    """Copy the ledger of a SQLite URL to `file`, as of one moment, whole or not at all; returns its bytes.

    Writers go on meanwhile. Raises OpeningError for PostgreSQL, for a ledger that is not there and for a copy that is
    damaged or cannot be made; OSError where the file cannot be written.
    """
    source = _file_of(url, DUMP.format(file=file, url=shown(located(url))))
    if not source.exists():
        raise OpeningError(f"{source}: there is no ledger to back up")
    with replacing(file) as temporary:
        os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
        try:
            _copy(source, temporary)
        except sqlite3.Error as error:
            raise OpeningError(f"{source} could not be copied to {file} ({error})") from error
        _check(temporary)
    return file.stat().st_size


def restore(file: Path, url: str) -> None:
    """Make the ledger of a SQLite URL from a copy; raises OpeningError where there is one, or for a damaged copy.

    Its counters leave out the numbers that may have been given after the copy was made.
    """
    target = _file_of(url, PUT_BACK.format(file=file, url=shown(located(url))))
    if not file.is_file():
        raise OpeningError(f"{file}: there is no such backup")
    for path in (target.with_name(target.name + suffix) for suffix in BESIDE):
        if path.exists():
            raise OpeningError(f"{path} is there: nothing is overwritten; move the old ledger away, all its files")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(target) as temporary, _private(temporary):
        shutil.copyfile(file, temporary)
        _check(temporary)
        with closing(open_database(f"sqlite:///{temporary}")) as database:
            database.write(skip_ahead)
        with closing(sqlite3.connect(temporary)) as connection:
            connection.execute("pragma journal_mode = delete")


@contextmanager
def _private(temporary: Path) -> Generator[None]:
    """A file that its owner alone can read, without what was beside it while it was used."""
    os.close(os.open(temporary, os.O_CREAT | os.O_WRONLY, 0o600))
    try:
        yield
    finally:
        for suffix in (*BESIDE[1:], ".lock"):
            temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=rw", uri=True)) as opened,
        closing(sqlite3.connect(target)) as copy,
    ):
        opened.backup(copy)
        # One file, with nothing beside it.
        copy.execute("pragma journal_mode = delete")


def _file_of(url: str, otherwise: str) -> Path:
    location = located(url)
    if location.get_backend_name() != "sqlite":
        raise OpeningError(otherwise)
    return Path(str(location.database))


def _check(file: Path) -> None:
    """Raise OpeningError unless a file is a whole ledger that this code knows."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as opened:
            found = opened.execute("pragma integrity_check").fetchall()
            revision = opened.execute("select version_num from alembic_version").fetchone()
    except sqlite3.DatabaseError as error:
        raise OpeningError(f"the copy is no ledger ({error}): take another one") from error
    if found != [("ok",)]:
        raise OpeningError(f"the copy is damaged ({found[0][0]}): take another one")
    if revision is None or revision[0] not in REVISIONS:
        raise OpeningError("the copy is of a ledger that this code does not know: take the code that made it")
