"""Issue the assignments of a cycle: chunk by chunk, each one transaction, with the same rules as a single issue."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from coupon_pipeline.ledger.keys import CodeKey
from coupon_pipeline.ledger.operations import admission
from coupon_pipeline.ledger.operations.admission import Offer
from coupon_pipeline.ledger.operations.chunks import Asked, Chunk, read
from coupon_pipeline.ledger.operations.context import Context, check_text
from coupon_pipeline.ledger.operations.escrow import ORDER, pooled
from coupon_pipeline.ledger.operations.issuing import (
    COLUMNS,
    Place,
    code_hash,
    fingerprint_of,
    row_of,
)
from coupon_pipeline.ledger.reasons import Reason, RefusalError
from coupon_pipeline.ledger.records import Assignment, Outcome
from coupon_pipeline.ledger.statement import (
    RetryError,
    Statement,
    Transaction,
    is_unique_violation,
)

VARYING: Final = (
    "issue_id",
    "code_hash",
    "pid",
    "slot",
    "day_slot",
    "idem",
    "fingerprint",
    "channel",
    "decision_id",
    "arm",
    "policy",
    "propensity",
)
"""Columns that differ from issue to issue of a coupon."""
ALIKE: Final = tuple(name for name in COLUMNS if name not in VARYING)
INSERT: Final = Statement(
    f"insert into issue ({', '.join(VARYING + ALIKE)}) values ({', '.join(f':{name}' for name in VARYING + ALIKE)})"
)
_TELL: Final = (
    "insert into outbox (at, topic, issue_id, redemption_id, cents) "
    "select issued_at, 'issued', issue_id, null, value_cents from issue where issue_id {which} order by issue_id"
)
TELL_MANY: Final = Statement(_TELL.format(which="= any(:ids)"))
TELL_RANGE: Final = Statement(_TELL.format(which="between :first and :last"))
"""SQLite has one writer at a time, so that the ids of a chunk have no gap."""


SHARED_TEXTS: Final = ("channel", "arm", "policy")
"""Texts that few values are of; that of the decision is checked as a key."""


def issue_chunk(
    tx: Transaction, context: Context, client: str, assignments: Sequence[Assignment], now: int
) -> list[Outcome]:
    """Issue what may be issued, all or nothing of it; raises RetryError where another writer took a place."""
    asked, outcomes = _asked(context, assignments)
    chunk = read(tx, client, list(asked.values()), now)
    admitted: dict[bytes, tuple[Asked, Place]] = {}
    waiting: dict[int, bytes] = {}
    for at, one in asked.items():
        decision = one.assignment.decision_id
        fingerprint = admitted[one.idem][0].fingerprint if one.idem in admitted else None
        known = chunk.known.get(one.idem)
        if (known is not None and known[1] != one.fingerprint) or fingerprint not in (None, one.fingerprint):
            outcomes[at] = Outcome(decision, None, Reason.KEY_REUSED.value)
        elif known is not None:
            outcomes[at] = Outcome(decision, known[0], replay=True)
        elif fingerprint is not None:
            waiting[at] = one.idem
        else:
            found = chunk.place(one.assignment.coupon_id, one.household)
            if isinstance(found, Reason):
                outcomes[at] = Outcome(decision, None, found.value)
            else:
                admitted[one.idem] = (one, found)
                waiting[at] = one.idem
    _settle(outcomes, waiting, asked, _written(tx, context, client, chunk, admitted) if admitted else {})
    return [outcomes[at] for at in range(len(assignments))]


def _asked(context: Context, assignments: Sequence[Assignment]) -> tuple[dict[int, Asked], dict[int, Outcome]]:
    """By position: the assignments that can be asked for, and the outcomes of those with texts that cannot be kept."""
    asked, refused = {}, {}
    households = {one.household_id: context.household(one.household_id) for one in assignments}
    fit: set[str | None] = set()
    for at, one in enumerate(assignments):
        try:
            for name in SHARED_TEXTS:
                text = getattr(one, name)
                if text not in fit:
                    check_text(name, text)
                    fit.add(text)
            labels = (one.channel, one.decision_id, one.arm, one.policy, one.propensity)
            fingerprint = fingerprint_of(context, one.household_id, one.coupon_id, labels)
            asked[at] = Asked(one, context.idem(one.decision_id), fingerprint, households[one.household_id])
        except RefusalError as error:
            refused[at] = Outcome(one.decision_id, None, error.reason.value)
    return asked, refused


def _settle(
    outcomes: dict[int, Outcome], waiting: dict[int, bytes], asked: dict[int, Asked], ids: dict[bytes, int]
) -> None:
    """Tell the admitted ones their ids; the same decision again is a replay of the first."""
    told: set[bytes] = set()
    for at, idem in waiting.items():
        outcomes[at] = Outcome(asked[at].assignment.decision_id, ids[idem], replay=idem in told)
        told.add(idem)


def _written(
    tx: Transaction, context: Context, client: str, chunk: Chunk, admitted: dict[bytes, tuple[Asked, Place]]
) -> dict[bytes, int]:
    """Reserve and write what was admitted; returns the ids by key."""
    for (scope, scope_id), amount in sorted(chunk.reserved.items(), key=lambda one: (ORDER[one[0][0]], one[0][1])):
        pooled(tx, scope, scope_id, lambda _, amount=amount: amount)
    ids, key = admission.next_ids(tx, len(admitted)), context.keys.newest
    alike = {
        coupon_id: _alike(offer, key, coupon_id, client, chunk)
        for coupon_id, offer in chunk.offers.items()
        if offer is not None
    }
    rows = []
    for (one, place), issue_id in zip(admitted.values(), ids, strict=True):
        asked, hashed = one.assignment, code_hash(key, issue_id)
        own = (issue_id, hashed, chunk.owners[one.household][0], place.slot, place.day_slot, one.idem, one.fingerprint)
        labels = (asked.channel, asked.decision_id, asked.arm, asked.policy, asked.propensity)
        rows.append(own + labels + alike[asked.coupon_id])
    try:
        tx.fill(INSERT, rows)
    except Exception as error:
        if is_unique_violation(error):
            raise RetryError from error
        raise
    if tx.dialect == "postgresql":
        tx.run(TELL_MANY, ids=ids)
    else:
        tx.run(TELL_RANGE, first=ids[0], last=ids[-1])
    return dict(zip(admitted, ids, strict=True))


def _alike(offer: Offer, key: CodeKey, coupon_id: int, client: str, chunk: Chunk) -> tuple[Any, ...]:
    """The cells of ALIKE for all issues of a coupon in a chunk."""
    row = row_of(offer, key, 0, b"", Place(0, chunk.day, None), {}, chunk.now)
    row |= {"client": client, "coupon_id": coupon_id}
    return tuple(row[name] for name in ALIKE)
