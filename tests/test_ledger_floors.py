"""What the ledger is measured against does the same work: the books close over both."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import ledger as measuring
from benchmarks.coupons import full, storm
from benchmarks.floors import Bare, untaken

from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.opening import open_database
from coupon_pipeline.ledger.statement import Statement

COUNTS = Statement(
    "select (select count(*) from issue where state = 'redeemed'), (select count(*) from redemption), "
    "(select count(*) from outbox where topic = 'redeemed')"
)


def test_bare_loops_and_the_ledger_redeem_alike(tmp_path: Path) -> None:
    with full(f"sqlite:///{tmp_path}/ledger.db", 60) as ledger:
        bare = Bare(ledger)
        for issue_id in untaken(ledger, 20):
            bare.find(issue_id)
            bare.redeem(issue_id)
        found = storm([ledger.redeem] * 4, ledger.take(40))
        bare.close()
        counts = ledger.ledger.database.read(lambda tx: tx.all(COUNTS))
        assert counts == [(60, 60, 60)]
        assert len(found.latencies) == 40
        assert all(check.passed for check in audit(ledger.ledger.database))


def test_no_coupon_is_measured_twice(tmp_path: Path) -> None:
    with full(f"sqlite:///{tmp_path}/ledger.db", 10) as ledger:
        ledger.take(6)
        with pytest.raises(AssertionError, match="too small"):
            ledger.take(5)


def test_bulk_and_single_issues_are_of_the_same_kind(tmp_path: Path) -> None:
    found = measuring.bulk(str(tmp_path), "sqlite", 50, 10)
    assert found["ratio"] == pytest.approx(found["rate"] / found["floor"])
    database = open_database(f"sqlite:///{tmp_path}/ledger.db")
    assert all(check.passed for check in audit(database))
    database.close()
