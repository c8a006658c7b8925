"""Reads the books of a real ledger as plain rows."""

from __future__ import annotations

from contextlib import closing
from typing import Final

from tests.proofs.ledger.judging.books import Books, EventRow, IssueRow, RedemptionRow

from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.statement import Statement, Transaction

ISSUES: Final = Statement("select issue_id, coupon_id, pid, value_cents, state, issued_at from issue")
REDEMPTIONS: Final = Statement(
    "select redemption_id, issue_id, client, basket_id, discount_cents, at, reversed_at from redemption "
    "where issue_id is not null"
)
EVENTS: Final = Statement("select event_id, topic, issue_id, redemption_id, cents from outbox")
UNCLAIMED: Final = Statement("select count(*) from outbox where batch is null")


def exported(url: str) -> Books:
    """All rows of the ledger at a URL, as of one moment."""
    with closing(open_database(url, migrate=False)) as database:
        return database.read(_books, snapshot=True)


def _books(tx: Transaction) -> Books:
    return Books(
        [IssueRow(row[0], row[1], bytes(row[2]).hex(), *row[3:]) for row in tx.all(ISSUES)],
        [RedemptionRow(*row) for row in tx.all(REDEMPTIONS)],
        [EventRow(*row) for row in tx.all(EVENTS)],
    )
