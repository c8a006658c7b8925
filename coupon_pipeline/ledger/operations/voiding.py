"""Void an issue that is not used: a mistake, a recall, a code that leaked."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.ledger.operations.context import (
    Context,
    LostError,
    fits,
    until_settled,
)
from coupon_pipeline.ledger.operations.ending import void_one
from coupon_pipeline.ledger.operations.requests import Request
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import Voided
from coupon_pipeline.ledger.statement import Database, Row, Statement, Transaction

BY_CODE: Final = Statement("select issue_id, state from issue where code_hash = :code_hash")
BY_ID: Final = Statement("select issue_id, state from issue where issue_id = :issue_id")
ENDED: Final = {
    "redeemed": RefusalError(Reason.ALREADY_REDEEMED, "the coupon is used: reverse its redemption instead", "code"),
    "expired": RefusalError(Reason.EXPIRED, "the coupon's time is over: there is nothing left to cancel", "code"),
}


def void(
    database: Database, context: Context, client: str, key: str, code: str | None, issue_id: int | None, now: int
) -> Voided:
    """Void the issue of a code or an id; raises RefusalError or UnavailableError."""
    lookups = [] if code is None else context.lookups(code)
    told = lookups[-1].hex() if lookups else None
    request = Request(client, "void", context.idem(key), context.fingerprint(told, code is None, issue_id))

    def attempt() -> Voided:
        answer, found = database.read(lambda tx: (request.answered(tx), _found(tx, lookups, issue_id)))
        if answer is not None:
            return Voided(answer["issue_id"], replay=True)
        if found is None and code is None:
            raise RefusalError(Reason.UNKNOWN_ISSUE, "there is no issue with this id", "issue_id")
        if found is None:
            raise RefusalError(Reason.UNKNOWN_CODE, "there is no coupon with this code: type it again", "code")
        number, state = found
        if state in ENDED:
            raise RefusalError(ENDED[state].reason, ENDED[state].detail, ENDED[state].field)
        database.write(lambda tx: _voided(tx, request, number, state, now))
        return Voided(number, replay=state == "void")

    return until_settled(attempt)


def _found(tx: Transaction, lookups: list[bytes], issue_id: int | None) -> Row | None:
    if issue_id is not None:
        return tx.one(BY_ID, issue_id=issue_id) if fits(issue_id) else None
    found = (tx.one(BY_CODE, code_hash=digest) for digest in lookups)
    return next((row for row in found if row is not None), None)


def _voided(tx: Transaction, request: Request, issue_id: int, state: str, now: int) -> None:
    if state != "void" and not void_one(tx, issue_id, now):
        raise LostError
    request.keep(tx, issue_id, {"issue_id": issue_id}, now)
