"""Hold a coupon for an open basket: a lease that ends by time alone."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.ledger.operations.context import (
    Context,
    LostError,
    until_settled,
)
from coupon_pipeline.ledger.operations.requests import Request
from coupon_pipeline.ledger.operations.spending import judge, known, looked
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import Basket, Held
from coupon_pipeline.ledger.statement import Database, Statement, Transaction

LONGEST_SECONDS: Final = 3_600
HOLD: Final = Statement(
    "update issue set held_by = :client, held_idem = :idem, held_until = :until where issue_id = :issue_id "
    "and state = 'issued' and valid_from <= :now and expires_at > :now "
    "and (held_until is null or held_until <= :now or held_by = :client) returning issue_id"
)


def hold(
    database: Database, context: Context, client: str, key: str, code: str, basket: Basket, seconds: int, now: int
) -> Held:
    """Keep a coupon from other clients for some seconds; raises RefusalError or UnavailableError."""
    if not 1 <= seconds <= LONGEST_SECONDS:
        raise RefusalError(Reason.INVALID_AMOUNT, f"a hold lasts 1 to {LONGEST_SECONDS} seconds", "seconds")
    lookups = context.lookups(code)
    told = [lookups[-1].hex() if lookups else "", basket.store_id, basket.basket_id, basket.household_id, seconds]
    request = Request(client, "hold", context.idem(key), context.fingerprint(*told))

    def attempt() -> Held:
        look, answer = database.read(lambda tx: (looked(tx, context, code, basket), request.answered(tx)))
        if answer is not None:
            return Held(answer["issue_id"], answer["held_until"], replay=True)
        found = known(look)
        judge(found, client, basket, now)
        held = Held(found.issue_id, min(now + seconds * 1000, found.expires_at), replay=False)
        database.write(lambda tx: _held(tx, request, held, now))
        return held

    return until_settled(attempt)


def _held(tx: Transaction, request: Request, held: Held, now: int) -> None:
    values = {"client": request.client, "idem": request.idem, "issue_id": held.issue_id, "now": now}
    if tx.one(HOLD, until=held.held_until, **values) is None:
        raise LostError
    request.keep(tx, held.issue_id, {"issue_id": held.issue_id, "held_until": held.held_until}, now)
