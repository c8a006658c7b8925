"""The outbox: an event beside every change of state, claimed in batches, each row exactly once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from coupon_pipeline.ledger.records import Batch
from coupon_pipeline.ledger.statement import Row, Statement, Transaction

EMIT: Final = Statement(
    "insert into outbox (at, topic, issue_id, redemption_id, cents) "
    "values (:at, :topic, :issue_id, :redemption_id, :cents)"
)
ONE_AT_A_TIME: Final = Statement("select pg_advisory_xact_lock(7220190)")
"""Batches are numbered without a gap: whoever claims waits for the one before."""
LAST: Final = Statement("select number, known_at, digest from batch order by number desc limit 1")
TAKE: Final = Statement("update outbox set batch = :number where batch is null")
TAKEN: Final = Statement(
    "select event_id, at, topic, issue_id, redemption_id, cents from outbox where batch = :number order by event_id"
)
ADD: Final = Statement("insert into batch (number, known_at, digest) values (:number, :known_at, :digest)")
COUNT: Final = Statement(
    "insert into batch_topic (number, topic, events, cents) "
    "select batch, topic, count(*), sum(cents) from outbox where batch = :number group by batch, topic"
)
WITHIN: Final = Statement(
    "select b.number, b.known_at, b.digest, b.trimmed_at, "
    "(select sum(t.events) from batch_topic t where t.number = b.number) "
    "from batch b where b.known_at >= :opens_at and b.known_at < :closes_at order by b.number"
)
DONE: Final = Statement("update batch set done_at = :now where number = :number and done_at is null")
TRIMMED: Final = Statement(
    "update batch set trimmed_at = :now where done_at is not null and trimmed_at is null and known_at < :before "
    "returning number"
)
TRIM: Final = Statement("delete from outbox where batch = :number")


def emit(tx: Transaction, at: int, topic: str, issue_id: int, cents: int, redemption_id: int | None = None) -> None:
    """Write an event with the change that it tells of."""
    tx.run(EMIT, at=at, topic=topic, issue_id=issue_id, cents=cents, redemption_id=redemption_id)


def emit_all(tx: Transaction, at: int, topic: str, issues: Iterable[tuple[int, int]]) -> None:
    """Write an event per (issue_id, cents)."""
    rows = [
        {"at": at, "topic": topic, "issue_id": issue_id, "redemption_id": None, "cents": cents}
        for issue_id, cents in issues
    ]
    if rows:
        tx.many(EMIT, rows)


def digest_of(previous: str, events: Sequence[Row]) -> str:
    """Hex SHA-256 over the digest of the batch before and the events of this one, in their order."""
    lines = ("|".join("" if cell is None else str(cell) for cell in event) for event in events)
    return hashlib.sha256("\n".join([previous, *lines]).encode()).hexdigest()


def claim(tx: Transaction, now: int) -> Batch | None:
    """Put all events without a batch into the next one; None where there is none.

    The instant from which on they are known lies after that of the batch before and after all of their own.
    """
    if tx.dialect == "postgresql":
        tx.one(ONE_AT_A_TIME)
    number, known_at, digest = tx.one(LAST) or (0, 0, "")
    number += 1
    if not tx.run(TAKE, number=number):
        return None
    events = tx.all(TAKEN, number=number)
    known_at = max(now, known_at + 1, *(event[1] for event in events))
    digest = digest_of(digest, events)
    tx.run(ADD, number=number, known_at=known_at, digest=digest)
    tx.run(COUNT, number=number)
    return Batch(number, known_at, len(events), digest)


def batches(tx: Transaction, opens_at: int, closes_at: int) -> list[Batch]:
    """The batches with opens_at <= known_at < closes_at, oldest first."""
    return [
        Batch(number, known_at, int(events), digest, trimmed_at is not None)
        for number, known_at, digest, trimmed_at, events in tx.all(WITHIN, opens_at=opens_at, closes_at=closes_at)
    ]


def done(tx: Transaction, numbers: Sequence[int], now: int) -> None:
    """Note that batches have safely arrived elsewhere."""
    for number in sorted(numbers):
        tx.run(DONE, number=number, now=now)


def trim(tx: Transaction, before: int, now: int) -> int:
    """Drop the events of done batches known before an instant; what they came to by topic stays."""
    return sum(tx.run(TRIM, number=number) for (number,) in tx.all(TRIMMED, before=before, now=now))
