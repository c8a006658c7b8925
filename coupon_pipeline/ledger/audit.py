"""Whether the books close: every balance is recomputed from the facts, in one moment, and held against what stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from coupon_pipeline.ledger import balances
from coupon_pipeline.ledger.operations.outbox import TAKEN, digest_of
from coupon_pipeline.ledger.schema import TOPICS
from coupon_pipeline.ledger.statement import Database, Row, Statement, Transaction


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that must hold."""

    name: str
    value: int
    """How many rows are wrong: 0 where it holds."""
    cents: int
    """The money of these."""
    passed: bool


def audit(database: Database) -> list[Check]:
    """All checks, whether passed or not, in a fixed order; the books close where all passed.

    It reads one snapshot and changes nothing. Raises UnavailableError.
    """
    return database.read(_checks, snapshot=True)


def _checks(tx: Transaction) -> list[Check]:
    found = [_counted(tx, name, statement) for name, statement in balances.WRONG.items()]
    found += _events(tx)
    found += [_check(name, *_sums(look(tx))) for name, look in OVER_ROWS.items()]
    return found + [Check(name, *_sums(tx.all(statement)), True) for name, statement in ALLOWED.items()]


def _check(name: str, value: int, cents: int) -> Check:
    return Check(name, value, cents, value == 0)


def _counted(tx: Transaction, name: str, statement: Statement) -> Check:
    row = tx.one(statement)
    assert row is not None, name
    return _check(name, int(row[0]), int(row[1]))


def _sums(differences: list[Row]) -> tuple[int, int]:
    """How many differences there are, and their money, whichever its sign."""
    return len(differences), sum(abs(int(row[-1])) for row in differences)


def _events(tx: Transaction) -> list[Check]:
    """Events that are missing, or too many, beside the facts, by topic."""
    differences = {topic: (int(count), int(cents)) for topic, count, cents in tx.all(balances.EVENTS)}
    found = []
    for topic in TOPICS:
        count, cents = differences.get(topic, (0, 0))
        # A sum that differs is wrong also where the numbers agree.
        found.append(_check(f"{topic} events that differ from the facts", max(abs(count), int(cents != 0)), abs(cents)))
    return found


def _broken_batches(tx: Transaction) -> list[Row]:
    """Batches (number, cents that differ) that are out of turn, or whose rows are not those that were claimed."""
    claimed = {(number, topic): (int(events), int(cents)) for number, topic, events, cents in tx.all(balances.CLAIMED)}
    broken, last, before, digest = [], 0, 0, ""
    for number, known_at, said, trimmed_at in tx.all(balances.BATCHES):
        is_whole, off = number == last + 1 and known_at > before, 0
        # Of a trimmed batch its digest stands for the rows, as the next one goes on from it.
        if trimmed_at is None:
            events = tx.all(TAKEN, number=number)
            differing, off = _counted_otherwise(number, events, claimed)
            is_whole = is_whole and not differing and digest_of(digest, events) == said
        if not is_whole:
            broken.append((number, off))
        last, before, digest = number, known_at, said
    return broken


def _counted_otherwise(
    number: int, events: list[Row], claimed: dict[tuple[int, str], tuple[int, int]]
) -> tuple[int, int]:
    """In how many topics a batch's rows differ from what was counted when they were claimed, and by how many cents."""
    topics, off = 0, 0
    for topic in TOPICS:
        cents = [event[-1] for event in events if event[2] == topic]
        count, total = claimed.get((number, topic), (0, 0))
        topics += (len(cents), sum(cents)) != (count, total)
        off += abs(sum(cents) - total)
    return topics, off


OVER_ROWS: Final[dict[str, Callable[[Transaction], list[Row]]]] = {
    "batches of events that were changed": _broken_batches,
    "limits whose reserved face value differs from the issues": lambda tx: tx.all(balances.RESERVED),
    "limits whose counted issues differ from the issues": lambda tx: tx.all(balances.COUNTED),
}
"""Name of a check -> what is wrong, row by row, its cents last."""
ALLOWED: Final[dict[str, Statement]] = {
    "allowed where a campaign's cap was lowered: households over it": balances.OVER_CAP,
    "allowed where the cap of a day was lowered: households over it": balances.OVER_DAY_CAP,
    "allowed until the next roll-up: campaigns whose payout has moved": balances.NOT_ROLLED_UP,
}
"""What is worth knowing and never wrong: such a check always passes."""
