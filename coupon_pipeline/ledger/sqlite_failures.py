"""What a failing SQLite means to whoever called: the name of the failure and what to do."""

from __future__ import annotations

import sqlite3
from typing import Final

from coupon_pipeline.ledger.failures import MOVED, unavailable
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.statement import RetryError, is_unique_violation

FULL: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_SHMSIZE})
"""A write beyond a limit of the file's size counts as an error of the disk, and is the same to the caller."""
BUG: Final = frozenset({sqlite3.SQLITE_ERROR, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISUSE, sqlite3.SQLITE_RANGE})
"""Primary codes that more room or more time cannot mend."""


def reason_of(error: sqlite3.Error, committing: bool = False) -> Reason | None:
    """The name of a failure, None for a bug; what fails while `committing` may have been written all the same."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # Python's own: used after it was closed, or used wrongly.
        return Reason.UNAVAILABLE if "closed" in str(error) else None
    if code in FULL:
        return Reason.STORAGE_FULL
    if code & 0xFF == sqlite3.SQLITE_READONLY or (code == sqlite3.SQLITE_CONSTRAINT_TRIGGER and MOVED in str(error)):
        return Reason.READ_ONLY
    if code & 0xFF in BUG:
        return None
    return Reason.OUTCOME_UNKNOWN if committing else Reason.UNAVAILABLE


def named(error: sqlite3.Error, committing: bool = False) -> Exception:
    """The error that a caller sees: with a name, or a bug as it is."""
    reason = reason_of(error, committing)
    return unavailable(reason) if reason else error


def is_race(error: BaseException) -> bool:
    """Whether the same work may succeed when it is done again."""
    return isinstance(error, RetryError) or is_unique_violation(error)
