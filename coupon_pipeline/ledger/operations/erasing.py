"""Erase a household without losing the books: its issues stay, and nobody can tell any more whose they were."""

from __future__ import annotations

import secrets
from typing import Final

from coupon_pipeline.ledger.operations.context import (
    DIGEST_BYTES,
    Context,
    number_of,
)
from coupon_pipeline.ledger.operations.ending import void_of
from coupon_pipeline.ledger.operations.syncing import HOUSEHOLD_LOCK, PID_OF
from coupon_pipeline.ledger.statement import Statement, Transaction

SUPPRESS: Final = Statement(
    "insert into suppression (household_hmac, at) values (:household, :now) on conflict do nothing"
)
FORGET_CONSENT: Final = Statement("delete from consent where pid = :pid")
FORGET_NAME: Final = Statement("delete from pseudonym where pid = :pid")
ISSUES: Final = Statement("select issue_id from issue where pid = :pid order by issue_id")
BLANK: Final = Statement(
    "update issue set decision_id = null, idem = :idem, fingerprint = :fingerprint where issue_id = :issue_id"
)


def erase(tx: Transaction, context: Context, household_id: int, now: int) -> int:
    """Void what is open, forget who it was, and never issue to it again; returns how many issues were voided.

    A decision's id and the key made from it are digests of the household: whoever lists all households could find it
    again by them. They go with its name.
    """
    if tx.dialect == "postgresql":
        tx.one(HOUSEHOLD_LOCK, number=number_of(context.household(household_id)))
    tx.run(SUPPRESS, household=context.suppressed(household_id), now=now)
    found = tx.one(PID_OF, household=context.household(household_id))
    if found is None:
        return 0
    [pid] = found
    # Consent first: whoever issues at the same time waits for it, and then sees that it is gone.
    tx.run(FORGET_CONSENT, pid=pid)
    voided = void_of(tx, pid, now)
    tx.run(FORGET_NAME, pid=pid)
    blank = [
        {
            "issue_id": row[0],
            "idem": secrets.token_bytes(DIGEST_BYTES),
            "fingerprint": secrets.token_bytes(DIGEST_BYTES),
        }
        for row in tx.all(ISSUES, pid=pid)
    ]
    if blank:
        tx.many(BLANK, blank)
    return voided
