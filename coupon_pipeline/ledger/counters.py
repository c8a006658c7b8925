"""The counters that number issues, redemptions and events: a number that was given is never given again."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.ledger.statement import Statement, Transaction

ISSUES: Final = "issue"
NUMBERED: Final = {"consent_change": "change_id", "redemption": "redemption_id", "outbox": "event_id"}
"""Table -> the column that its database numbers."""
AFTER_A_RESTORE: Final = 100_000_000
"""More than any ledger numbers between two backups."""

LAST_ISSUE: Final = Statement("select cast(value as integer) - 1 from setting where name = 'next_issue_id'")
SET_ISSUE: Final = Statement("update setting set value = cast(:last + 1 as text) where name = 'next_issue_id'")
LAST: Final = Statement("select seq from sqlite_sequence where name = :name")
FORGET: Final = Statement("delete from sqlite_sequence where name = :name")
SET: Final = Statement("insert into sqlite_sequence (name, seq) values (:name, :last)")
SET_SEQUENCE: Final = Statement(
    "select setval(cast(:name as regclass), greatest(cast(:last as bigint), 1), cast(:last as bigint) > 0)"
)


def counters(tx: Transaction) -> dict[str, int]:
    """The last number that each counter has given, 0 for none."""
    return {name: _last(tx, name) for name in (ISSUES, *NUMBERED)}


def set_counters(tx: Transaction, last: dict[str, int]) -> None:
    """Make the counters go on behind the numbers that `counters` told."""
    for name, number in last.items():
        if tx.dialect == "postgresql":
            tx.one(SET_SEQUENCE, name=_sequence(name), last=number)
        elif name == ISSUES:
            tx.run(SET_ISSUE, last=number)
        else:
            tx.run(FORGET, name=name)
            tx.run(SET, name=name, last=number)


def skip_ahead(tx: Transaction) -> None:
    """Leave out all numbers that may have been given after a backup was made.

    The code of an issue follows from its number: without this, the code of an issue that was lost would be that of
    another household's.
    """
    set_counters(tx, {name: number + AFTER_A_RESTORE for name, number in counters(tx).items()})


def _last(tx: Transaction, name: str) -> int:
    if tx.dialect == "postgresql":
        row = tx.one(Statement(f"select case when is_called then last_value else 0 end from {_sequence(name)}"))
    else:
        row = tx.one(LAST_ISSUE) if name == ISSUES else tx.one(LAST, name=name)
    return int(row[0]) if row else 0


def _sequence(name: str) -> str:
    return "issue_id" if name == ISSUES else f"{name}_{NUMBERED[name]}_seq"
