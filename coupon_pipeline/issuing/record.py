"""The table of a cycle's issues: what became of each assignment, and of those that the ledger refuses, why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import pyarrow as pa

from coupon_pipeline.ledger.records import Assignment, Outcome

ISSUES: Final = pa.schema(
    [
        pa.field("decision_id", pa.string(), nullable=False),
        pa.field("household_id", pa.int64(), nullable=False),
        pa.field("coupon_id", pa.int64(), nullable=False),
        pa.field("issue_id", pa.int64()),
        pa.field("reason", pa.string()),
        pa.field("issued_at", pa.timestamp("us")),
    ]
)
"""ledger/issues, by household and coupon: an issue, or the name of a refusal."""
CHANNEL: Final = "app"
"""By what an assignment goes to its household."""
CYCLE_OVER: Final = "cycle_over"
"""The week that the cycle decides for is over, or a later cycle has issued: it is too late."""


def assignments(decided: pa.Table) -> list[Assignment]:
    """The decision records (coupon_assignments) as the ledger takes them, by household and coupon."""
    names = ("decision_id", "household_id", "coupon_id", "arm", "policy", "propensity")
    rows = decided.select(names).sort_by([("household_id", "ascending"), ("coupon_id", "ascending")])
    return [Assignment(channel=CHANNEL, **row) for row in rows.to_pylist()]


def issues(asked: Sequence[Assignment], outcomes: Sequence[Outcome], issued_at: Mapping[int, datetime]) -> pa.Table:
    """The record (ISSUES) of assignments with their outcomes; `issued_at` is by issue."""
    rows = [
        _row(one, outcome.issue_id, outcome.reason, None if outcome.issue_id is None else issued_at[outcome.issue_id])
        for one, outcome in zip(asked, outcomes, strict=True)
    ]
    return pa.Table.from_pylist(rows, ISSUES)


def too_late(asked: Sequence[Assignment], before: pa.Table) -> pa.Table:
    """The record (ISSUES) of a cycle that issues nothing any more; what it had on record stays."""
    known = {row["decision_id"]: row for row in before.to_pylist()}
    rows = [known.get(one.decision_id, _row(one, None, CYCLE_OVER, None)) for one in asked]
    return pa.Table.from_pylist(rows, ISSUES)


def refused(recorded: pa.Table) -> dict[str, int]:
    """How many assignments were refused, by reason, sorted."""
    return dict(sorted(Counter(recorded["reason"].drop_null().to_pylist()).items()))


def _row(one: Assignment, issue_id: int | None, reason: str | None, issued_at: datetime | None) -> dict[str, Any]:
    return {
        "decision_id": one.decision_id,
        "household_id": one.household_id,
        "coupon_id": one.coupon_id,
        "issue_id": issue_id,
        "reason": reason,
        "issued_at": issued_at,
    }
