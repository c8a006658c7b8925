"""How issues end before their use: void, expired; what they had reserved is free again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coupon_pipeline.ledger.operations.escrow import ENDING, release
from coupon_pipeline.ledger.operations.outbox import emit_all
from coupon_pipeline.ledger.statement import Row, Statement, Transaction

TOGETHER: Final = 1_000
"""Issues that end in one transaction."""

DUE: Final = Statement(
    "update issue set state = 'expired' where state = 'issued' and issue_id in ("
    "select issue_id from issue where state = 'issued' and expires_at <= :now order by issue_id limit :most {lock}) "
    f"returning {ENDING}",
    "for update skip locked",
)
UNWANTED: Final = Statement(
    "update issue set state = 'void' where state = 'issued' and issue_id in ("
    "select i.issue_id from issue i where i.state = 'issued' and not exists ("
    "select 1 from consent c where c.pid = i.pid and c.marketing = 1) order by i.issue_id limit :most {lock}) "
    f"returning {ENDING}",
    "for update skip locked",
)
OF_OWNER: Final = Statement(f"update issue set state = 'void' where state = 'issued' and pid = :pid returning {ENDING}")
ONE: Final = Statement(
    f"update issue set state = 'void' where issue_id = :issue_id and state = 'issued' returning {ENDING}"
)
STALE: Final = Statement(
    "update issue set state = 'expired' where state = 'issued' and pid = :pid and category = :category "
    f"and expires_at <= :now returning {ENDING}"
)


def ended(tx: Transaction, rows: Sequence[Row], topic: str, now: int) -> int:
    """Release what issues (rows of ENDING) had reserved and tell of their end; returns how many there are."""
    release(tx, rows)
    emit_all(tx, now, topic, sorted((row[0], row[-1]) for row in rows))
    return len(rows)


def expire_some(tx: Transaction, now: int) -> int:
    """Expire some of the issues that are due; 0 where none is left."""
    return ended(tx, tx.all(DUE, now=now, most=TOGETHER), "expired", now)


def void_unwanted(tx: Transaction, now: int) -> int:
    """Void some of the open issues whose owners do not consent; 0 where none is left."""
    return ended(tx, tx.all(UNWANTED, most=TOGETHER), "void", now)


def void_of(tx: Transaction, pid: bytes, now: int) -> int:
    """Void all open issues of one owner."""
    return ended(tx, tx.all(OF_OWNER, pid=pid), "void", now)


def void_one(tx: Transaction, issue_id: int, now: int) -> int:
    """Void one issue; 0 where it is not open."""
    return ended(tx, tx.all(ONE, issue_id=issue_id), "void", now)


def expire_stale(tx: Transaction, pid: bytes, category: str, now: int) -> int:
    """Expire what is over of an owner's issues in a category: it would stand in the way of the next one."""
    return ended(tx, tx.all(STALE, pid=pid, category=category, now=now), "expired", now)
