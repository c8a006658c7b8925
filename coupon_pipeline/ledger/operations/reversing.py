"""Reverse a redemption by its key, also before it has arrived: a late packet cannot spend a basket that was undone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from coupon_pipeline.ledger.operations.context import (
    Context,
    LostError,
    until_settled,
)
from coupon_pipeline.ledger.operations.ending import ended, expire_stale
from coupon_pipeline.ledger.operations.escrow import ENDING
from coupon_pipeline.ledger.operations.outbox import emit
from coupon_pipeline.ledger.operations.requests import Request
from coupon_pipeline.ledger.records import Reversed
from coupon_pipeline.ledger.statement import (
    Database,
    Row,
    Statement,
    Transaction,
    is_unique_violation,
)

REVERSE: Final = Statement(
    "update redemption set reversed_at = :now where client = :client and idem = :idem and reversed_at is null "
    "returning redemption_id, issue_id, discount_cents"
)
TOMBSTONE: Final = Statement(
    "insert into redemption (issue_id, client, idem, fingerprint, discount_cents, at, reversed_at) "
    "values (null, :client, :idem, :fingerprint, 0, :now, :now) on conflict do nothing returning redemption_id"
)
DONE: Final = Statement(
    "select r.issue_id, i.state, r.reversed_at from redemption r left join issue i on i.issue_id = r.issue_id "
    "where r.client = :client and r.idem = :idem"
)
ISSUE: Final = Statement(
    "select pid, category, expires_at from issue where issue_id = :issue_id and state = 'redeemed' {lock}", "for update"
)
CONSENT: Final = Statement("select marketing from consent where pid = :pid {lock}", "for share")
ANOTHER: Final = Statement("select 1 from issue where pid = :pid and category = :category and state = 'issued' limit 1")
GIVE_BACK: Final = Statement(
    f"update issue set state = :state where issue_id = :issue_id and state = 'redeemed' returning {ENDING}"
)


@dataclass(frozen=True, slots=True)
class _Undone:
    issue_id: int | None
    state: str | None
    at: int
    was_known: bool


def reverse(database: Database, context: Context, client: str, key: str, redeem_key: str, now: int) -> Reversed:
    """Undo the redemption of `redeem_key`; raises RefusalError or UnavailableError."""
    redeemed = context.idem(redeem_key)
    request = Request(client, "reverse", context.idem(key), context.fingerprint(redeem_key))

    def attempt() -> Reversed:
        answer = database.read(request.answered)
        if answer is not None:
            return Reversed(answer["issue_id"], answer["state"], answer["reversed_at"], replay=True)
        undone = database.write(lambda tx: _undone(tx, request, redeemed, now))
        return Reversed(undone.issue_id, undone.state, undone.at, undone.was_known)

    return until_settled(attempt)


def _undone(tx: Transaction, request: Request, redeemed: bytes, now: int) -> _Undone:
    found = _reversed(tx, request.client, redeemed, now)
    answer = {"issue_id": found.issue_id, "state": found.state, "reversed_at": found.at}
    request.keep(tx, found.issue_id, answer, now)
    return found


def _reversed(tx: Transaction, client: str, idem: bytes, now: int) -> _Undone:
    values = {"client": client, "idem": idem, "now": now}
    row = tx.one(REVERSE, **values)
    if row is None:
        if tx.one(TOMBSTONE, fingerprint=b"", **values) is not None:
            return _Undone(None, None, now, was_known=False)
        # The insert may have waited for the redemption itself, which the first look could not see.
        row = tx.one(REVERSE, **values)
    if row is None:
        issue_id, state, at = tx.one(DONE, client=client, idem=idem) or (None, None, now)
        return _Undone(issue_id, state, at, was_known=True)
    redemption_id, issue_id, discount = row
    emit(tx, now, "reversed", issue_id, discount, redemption_id)
    return _Undone(issue_id, _given_back(tx, issue_id, now), now, was_known=False)


def _given_back(tx: Transaction, issue_id: int, now: int) -> str:
    """Make an issue usable again, or end it where nothing may be issued to its owner any more."""
    found = tx.one(ISSUE, issue_id=issue_id)
    if found is None:
        raise LostError
    state = _state_after(tx, found, now)
    try:
        row = tx.one(GIVE_BACK, issue_id=issue_id, state=state)
    except Exception as error:
        if is_unique_violation(error):
            # Another coupon of the category was issued since it was looked for.
            raise LostError from error
        raise
    if row is None:
        raise LostError
    if state != "issued":
        ended(tx, [row], state, now)
    return state


def _state_after(tx: Transaction, found: Row, now: int) -> str:
    pid, category, expires_at = found
    if expires_at <= now:
        return "expired"
    consent = tx.one(CONSENT, pid=pid)
    if consent is None or not consent[0]:
        return "void"
    if category is not None:
        expire_stale(tx, pid, category, now)
        if tx.one(ANOTHER, pid=pid, category=category) is not None:
            return "void"
    return "issued"
