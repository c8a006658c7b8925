"""Bare loops over the drivers of the databases: the statements of the ledger alone, without anything around them."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks.coupons import CENTS, NOW, Full

from coupon_pipeline.ledger.operations.outbox import EMIT
from coupon_pipeline.ledger.operations.redeeming import FACT, SPEND
from coupon_pipeline.ledger.sqlite import SETTINGS
from coupon_pipeline.ledger.statement import Statement

OWNERS: Final = Statement("select issue_id, pid, code_hash from issue")
BY_CODE: Final = Statement("select state, valid_from, expires_at, value_cents from issue where code_hash = :code_hash")


class Bare:
    """One connection of a driver, one thread; commits each redemption on its own."""

    def __init__(self, ledger: Full) -> None:
        """Knows beforehand what it needs of each coupon."""
        rows = ledger.ledger.database.read(lambda tx: tx.all(OWNERS))
        self.known = {issue_id: (bytes(pid), bytes(code_hash)) for issue_id, pid, code_hash in rows}
        self.dialect = ledger.ledger.database.dialect
        if self.dialect == "sqlite":
            self.connection: Any = sqlite3.connect(Path(ledger.url.removeprefix("sqlite:///")), isolation_level=None)
            for setting in SETTINGS:
                self.connection.execute(setting)
            self.begin = "begin immediate"
        else:
            self.connection = psycopg.connect(ledger.url, autocommit=True)
            self.begin = "begin"
        self.execute = self.connection.execute
        self.spend, self.fact, self.emit, self.by_code = (
            getattr(statement, self.dialect) for statement in (SPEND, FACT, EMIT, BY_CODE)
        )

    def redeem(self, issue_id: int, _: int = 0) -> None:
        """The conditional UPDATE and the two INSERTs, and a commit."""
        execute = self.execute
        pid, code_hash = self.known[issue_id]
        values = {"issue_id": issue_id, "now": NOW, "discount": CENTS, "client": "store-8"}
        execute(self.begin)
        assert execute(self.spend, {**values, "pid": pid}).fetchall()
        place = {"store_id": "8", "till_id": "1", "basket_id": str(issue_id), "stacking_group": None}
        [(redemption_id,)] = execute(
            self.fact, {**values, **place, "idem": code_hash, "fingerprint": code_hash}
        ).fetchall()
        event = {"at": NOW, "topic": "redeemed", "issue_id": issue_id, "redemption_id": redemption_id, "cents": CENTS}
        execute(self.emit, event)
        execute("commit")

    def find(self, issue_id: int) -> None:
        """A SELECT by key."""
        assert self.execute(self.by_code, {"code_hash": self.known[issue_id][1]}).fetchone()

    def close(self) -> None:
        """End the connection."""
        self.connection.close()


def untaken(ledger: Full, count: int) -> Sequence[int]:
    """Ids of coupons that were never handed out."""
    chosen = ledger.issue_ids[ledger.taken : ledger.taken + count]
    assert len(chosen) == count, "the ledger is too small for this benchmark"
    ledger.taken += count
    return chosen
