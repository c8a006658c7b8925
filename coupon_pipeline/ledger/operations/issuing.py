"""Issue one coupon to one household: consent, caps and limits hold whoever issues at the same time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coupon_pipeline.ledger.codes import code_of, symbols_digest, symbols_of
from coupon_pipeline.ledger.keys import CodeKey
from coupon_pipeline.ledger.operations import admission
from coupon_pipeline.ledger.operations.admission import Offer, refusal
from coupon_pipeline.ledger.operations.context import Context, fits, number_of
from coupon_pipeline.ledger.operations.ending import expire_stale
from coupon_pipeline.ledger.operations.escrow import CAPS, REASONS, reserve
from coupon_pipeline.ledger.operations.outbox import emit
from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.records import Issued
from coupon_pipeline.ledger.schema import ISSUE
from coupon_pipeline.ledger.statement import RetryError, Statement, Transaction

COLUMNS: Final = tuple(column.name for column in ISSUE.columns if not column.name.startswith("held_"))
LABELS: Final = ("channel", "decision_id", "arm", "policy", "propensity")
"""Columns that say what lies behind an issue."""
TEXTS: Final = ("channel", "decision_id", "arm", "policy")
INSERT: Final = Statement(
    f"insert into issue ({', '.join(COLUMNS)}) values ({', '.join(f':{name}' for name in COLUMNS)}) "
    "on conflict do nothing returning issue_id"
)
KEY_LOCK: Final = Statement("select pg_advisory_xact_lock(:number), pg_advisory_xact_lock_shared(:caps)")
"""Two requests with one key: the second waits, or it would see a cap where it should see the first one's issue."""
KNOWN: Final = Statement(
    "select issue_id, key_id, fingerprint, valid_from, expires_at from issue where client = :client and idem = :idem"
)
TAKEN_CATEGORY: Final = Statement(
    "select 1 from issue where pid = :pid and category = :category and state = 'issued' limit 1"
)
TAKEN_SLOTS: Final = Statement("select slot from issue where campaign_id = :campaign_id and pid = :pid")
TAKEN_DAY: Final = Statement("select day_slot from issue where pid = :pid and day = :day")


@dataclass(frozen=True, slots=True)
class IssueRequest:
    """What is asked for, and on whose behalf; the labels come from the decision behind it."""

    client: str
    idem: bytes
    fingerprint: bytes
    household: bytes
    coupon_id: int
    labels: Mapping[str, Any]


def fingerprint_of(context: Context, household_id: int, coupon_id: int, labels: Sequence[Any]) -> bytes:
    """Digest of what an issue asks for; `labels` are the values of LABELS."""
    # No text can hold the separator, and none is empty: nothing else reads the same.
    told = "\x1f".join(["" if one is None else str(one) for one in labels])
    return context.digest(f"{household_id}\x1f{coupon_id}\x1f{told}".encode())


@dataclass(frozen=True, slots=True)
class Place:
    """Where an issue fits under the caps of its household."""

    slot: int
    day: int
    day_slot: int | None


def issue(tx: Transaction, context: Context, request: IssueRequest, now: int) -> Issued:
    """Issue, or answer as the first request with the key was answered; raises RefusalError."""
    if tx.dialect == "postgresql":
        tx.one(KEY_LOCK, number=number_of(request.idem), caps=CAPS)
    known = tx.one(KNOWN, client=request.client, idem=request.idem)
    if known is not None:
        return _replayed(context, request, known)
    offer = admission.offer(tx, request.coupon_id) if fits(request.coupon_id) else None
    if offer is None:
        raise refusal(Reason.UNKNOWN_COUPON)
    owner = tx.one(admission.OWNER, household=request.household)
    if owner is None or not owner[1]:
        raise refusal(Reason.NO_CONSENT)
    reason = offer.refusal(now)
    if reason is not None:
        raise refusal(reason)
    place = _place(tx, offer, owner[0], now)
    shards = _reserved(tx, offer, request.coupon_id)
    [issue_id] = admission.next_ids(tx, 1)
    key = context.keys.newest
    row = row_of(offer, key, issue_id, owner[0], place, shards, now)
    row |= {"client": request.client, "idem": request.idem, "fingerprint": request.fingerprint}
    if tx.one(INSERT, **row, coupon_id=request.coupon_id, **request.labels) is None:
        raise RetryError
    emit(tx, now, "issued", issue_id, offer.value_cents)
    return Issued(issue_id, code_of(key, issue_id), offer.valid_from, offer.expires_at, replay=False)


def row_of(
    offer: Offer, key: CodeKey, issue_id: int, pid: bytes, place: Place, shards: dict[str, int], now: int
) -> dict[str, Any]:
    """The cells of an issue that follow from its offer and owner."""
    return {
        "issue_id": issue_id,
        "code_hash": code_hash(key, issue_id),
        "key_id": key.key_id,
        "campaign_id": offer.campaign_id,
        "category": offer.category,
        "pid": pid,
        "slot": place.slot,
        "day": place.day,
        "day_slot": place.day_slot,
        "value_cents": offer.value_cents,
        "supplier_id": offer.supplier_id,
        "supplier_cents": offer.supplier_cents,
        "campaign_shard": shards.get("campaign", 0),
        "supplier_shard": shards.get("supplier", 0),
        "total_shard": shards.get("total", 0),
        "issued_at": now,
        "valid_from": offer.valid_from,
        "expires_at": offer.expires_at,
        "is_imported": 0,
        "state": "issued",
    }


def code_hash(key: CodeKey, issue_id: int) -> bytes:
    """What is stored of an issue's code."""
    return symbols_digest(key, symbols_of(key, issue_id))


def _replayed(context: Context, request: IssueRequest, known: tuple[Any, ...]) -> Issued:
    issue_id, key_id, fingerprint, valid_from, expires_at = known
    if bytes(fingerprint) != request.fingerprint:
        raise refusal(Reason.KEY_REUSED)
    code = code_of(context.keys.by_id(key_id), issue_id)
    return Issued(issue_id, code, valid_from, expires_at, replay=True)


def _place(tx: Transaction, offer: Offer, pid: bytes, now: int) -> Place:
    if offer.category is not None:
        expire_stale(tx, pid, offer.category, now)
        if tx.one(TAKEN_CATEGORY, pid=pid, category=offer.category) is not None:
            raise refusal(Reason.CATEGORY_TAKEN)
    taken = admission.slots(tx.all(TAKEN_SLOTS, campaign_id=offer.campaign_id, pid=pid))
    slot = admission.free_slot(taken)
    if slot >= offer.per_household:
        raise refusal(Reason.HOUSEHOLD_CAP)
    settings = admission.settings(tx)
    day = admission.local_day(now, settings.get(admission.TIMEZONE, "UTC"))
    most = settings.get(admission.PER_DAY)
    if most is None:
        return Place(slot, day, None)
    today = tx.all(TAKEN_DAY, pid=pid, day=day)
    if len(today) >= int(most):
        raise refusal(Reason.DAY_CAP)
    return Place(slot, day, admission.free_slot(admission.slots(today)))


def _reserved(tx: Transaction, offer: Offer, coupon_id: int) -> dict[str, int]:
    shards = {}
    for scope, scope_id, amount, count in offer.limits(coupon_id):
        shard = reserve(tx, scope, scope_id, amount, count)
        if shard is None:
            raise refusal(REASONS[scope])
        shards[scope] = shard
    return shards
