"""Any requests in any order: the ledger answers as its model does, and after each its books are those of the model."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from tests.ledger.playing import on_postgresql, on_sqlite, play
from tests.ledger.servers import Server

from coupon_pipeline.ledger.reasons import Reason

EXAMPLES = {"sqlite": 400, "postgresql": 30}
ELSEWHERE = {
    Reason.TOO_MANY_GUESSES,
    Reason.OVERLOADED,
    Reason.OUTCOME_UNKNOWN,
    Reason.STORAGE_FULL,
    Reason.READ_ONLY,
    Reason.UNAVAILABLE,
}
"""Reasons of the service and of a failing database, which no request to a sound ledger meets."""
OPERATIONS = ("sync", "issue", "issue_all", "hold", "validate", "redeem", "reverse", "void", "expire", "erase", "claim")
KEYED = ("issue", "issue_all", "hold", "redeem", "reverse", "void")


def unreached(reached: Counter[str]) -> list[str]:
    """Operations that never succeeded, keys that never replayed and reasons that were never given."""
    answers = {answer.partition(": ")[2] for answer in reached}
    wanted = [f"{operation}: done" for operation in OPERATIONS] + [f"{operation}: replay" for operation in KEYED]
    return [answer for answer in wanted if answer not in reached] + sorted(set(Reason) - ELSEWHERE - answers)


def test_on_sqlite_the_ledger_is_its_model_and_every_answer_is_reached(tmp_path: Path) -> None:
    with on_sqlite(tmp_path) as fresh:
        assert unreached(play(fresh, EXAMPLES["sqlite"])) == []


def test_on_postgresql_the_ledger_is_its_model(postgresql_server: Server) -> None:
    with on_postgresql(postgresql_server) as fresh:
        reached = play(fresh, EXAMPLES["postgresql"])
    assert [operation for operation in OPERATIONS if f"{operation}: done" not in reached] == []
