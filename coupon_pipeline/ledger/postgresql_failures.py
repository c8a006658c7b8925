"""What a failing PostgreSQL means to whoever called: the name of the failure, and whether to do the work again."""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

from coupon_pipeline.ledger.failures import unavailable
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.statement import RetryError

RACES: Final = (
    RetryError,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.SerializationFailure,
    errors.UniqueViolation,
)
"""What the same work may not meet when it is done again."""
UNDONE: Final = (errors.IntegrityError, errors.DeadlockDetected, errors.SerializationFailure)
"""Answers to a commit that say for certain that nothing was written."""
BUGS: Final = (psycopg.ProgrammingError, psycopg.DataError, psycopg.IntegrityError, psycopg.NotSupportedError)


def reason_of(error: psycopg.Error, committing: bool = False) -> Reason | None:
    """The name of a failure, None for a bug; what fails while `committing` may have been written all the same."""
    if isinstance(error, errors.DiskFull):
        return Reason.OUTCOME_UNKNOWN if committing else Reason.STORAGE_FULL
    if isinstance(error, errors.ReadOnlySqlTransaction):
        return Reason.READ_ONLY
    if isinstance(error, BUGS):
        return None
    return Reason.OUTCOME_UNKNOWN if committing and not isinstance(error, UNDONE) else Reason.UNAVAILABLE


def named(error: psycopg.Error, committing: bool = False) -> Exception:
    """The error that a caller sees: with a name, or a bug as it is."""
    reason = reason_of(error, committing)
    return unavailable(reason) if reason else error
