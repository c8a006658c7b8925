"""The ledger under storms and faults, as rows: what was thrown at it, and that nothing came of it."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from tests.proofs.ledger import faults
from tests.proofs.ledger.judging.checker import Verdict, judge
from tests.proofs.ledger.judging.history import Attempt, read
from tests.proofs.ledger.judging.told import Told
from tests.proofs.ledger.storming.bulk import CLIENT
from tests.proofs.ledger.storming.exports import exported
from tests.proofs.ledger.storming.storm import Size, Storm, database, storm
from tests.proofs.ledger.storming.wire import plain

from coupon_pipeline.commands.outcome import OUT, Outcome
from coupon_pipeline.files import write_text
from coupon_pipeline.ledger.audit import audit
from coupon_pipeline.ledger.opening import open_database

SHORT: Final = Size(2_000, 400, seconds=6, kills={"client": (0.5, 6), "worker": (1, 1), "database": (1.5, 1)})
LONG: Final = Size(100_000, 5_000, seconds=120, kills={"client": (5, 200), "worker": (12, 60), "database": (30, 12)})
BEHIND_MS, AHEAD_MS = 8_000, 1_000
"""A worker's clock runs on from the ledger's latest fact, which may be old where the database was away."""
NAMES: Final = {
    "double": "redeemed twice",
    "lost": "acknowledged and lost",
    "limit": "limits of liability passed",
    "cap": "caps passed",
    "difference": "differences between ledger, outbox and clients",
    "answer": "keys with two answers, or refused for a limit that had room",
    "unexplained": "coupons whose answers no order explains",
}


def rows(short: bool) -> Iterator[Outcome]:
    """Storms on both databases, then faults."""
    for kind in ("sqlite", "postgresql"):
        yield from _storm(kind, SHORT if short else LONG)
    yield from faults.rows()


def _storm(kind: str, size: Size) -> Iterator[Outcome]:
    with TemporaryDirectory(prefix="storm-") as name, database(kind, Path(name)) as (url, server):
        found = storm(Path(name), url, server, size)
        history = [plain(attempt) for attempt in read(found.histories)]
        told = Told(found.business.definitions, found.business.origin, BEHIND_MS, AHEAD_MS)
        verdict = judge(history, told, exported(url))
        yield from _named(kind, _happened(found, history, size, kind))
        yield from _named(kind, _judged(kind, verdict))
        yield from _named(kind, _closed(url))


def _named(kind: str, outcomes: Iterator[Outcome]) -> Iterator[Outcome]:
    for one in outcomes:
        yield Outcome(f"storm on {kind}: {one.name}", one.value, one.unit, one.baseline, one.op, one.bar)


def _happened(found: Storm, history: Sequence[Attempt], size: Size, kind: str) -> Iterator[Outcome]:
    redeems = sum(attempt.operation == "redeem" for attempt in history)
    yield Outcome("attempts to redeem", redeems, op=">=", bar=size.attempts)
    for victim, kills in found.kills.items():
        if victim != "database" or kind == "postgresql":
            yield Outcome(f"kill -9 of {victim}", kills, op=">=", bar=1)
    yield Outcome("requests a second", len(history) / found.seconds, "/s")
    by_operation = Counter(attempt.operation for attempt in history if attempt.answer is not None)
    for operation in ("redeem", "reverse", "void", "hold", "issue", "withdraw"):
        yield Outcome(f"granted: {operation}", by_operation[operation], op=">=", bar=1)
    # The killed bulk issue says nothing of thousands: they would hide the few of the tills.
    asked = [attempt for attempt in history if attempt.key is not None and attempt.client != CLIENT]
    unknown = {attempt.own_key for attempt in asked if attempt.is_unknown}
    told = {attempt.own_key for attempt in asked if not attempt.is_unknown}
    yield Outcome("outcomes that were unknown", len(unknown), op=">=", bar=1)
    yield Outcome("of these unknown in the end", len(unknown - told), op="<=", bar=0)
    failed = sum(attempt.status is not None and attempt.status >= 500 and attempt.status != 503 for attempt in history)
    yield Outcome("5xx other than 503", failed, op="<=", bar=0)


def _judged(kind: str, verdict: Verdict) -> Iterator[Outcome]:
    for name, words in NAMES.items():
        yield Outcome(words, verdict.count(name), op="<=", bar=0)
    if verdict.findings:
        write_text(OUT / f"storm-{kind}.txt", verdict.report() + "\n")


def _closed(url: str) -> Iterator[Outcome]:
    with closing(open_database(url, migrate=False)) as books:
        checks = audit(books)
    yield Outcome("checks of the audit", len(checks), op=">=", bar=10)
    yield Outcome("checks of the audit that fail", sum(not check.passed for check in checks), op="<=", bar=0)
    if url.startswith("sqlite:///"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as file:
            found = file.execute("pragma integrity_check").fetchall()
        yield Outcome("damages in the file", sum(row != ("ok",) for row in found), op="<=", bar=0)
