"""The words that belong to each failure of the database."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.ledger.reasons import Reason, UnavailableError

MOVED: Final = "this ledger was moved"
"""What the trigger of a ledger says that lives elsewhere by now."""
DETAILS: Final = {
    Reason.STORAGE_FULL: "the disk of the ledger is full, nothing has changed: make room, then try again",
    Reason.READ_ONLY: "the ledger cannot be written, nothing has changed: give its user the right to write, or "
    "name the ledger that it has moved to",
    Reason.OUTCOME_UNKNOWN: "the ledger could not say whether it was written: ask again with the same key",
    Reason.OVERLOADED: "too many requests wait for the ledger, nothing has changed: try again later",
    Reason.UNAVAILABLE: "the ledger's database does not answer, nothing has changed: try again later",
}


def unavailable(reason: Reason) -> UnavailableError:
    """An error with the words of its name."""
    return UnavailableError(reason, DETAILS[reason])
