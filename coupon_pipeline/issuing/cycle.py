"""A cycle's coupons, issued through the ledger: safe to repeat, and taken up again where it was killed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa

from coupon_pipeline.clock import from_epoch, to_epoch
from coupon_pipeline.issuing import record, takeover
from coupon_pipeline.issuing.offers import Limits, definitions
from coupon_pipeline.ledger.ledger import Ledger
from coupon_pipeline.ledger.reasons import UnavailableError
from coupon_pipeline.ledger.records import Assignment, Outcome
from coupon_pipeline.ledger.statement import Statement
from coupon_pipeline.sources.exports import ISSUES, REDEMPTIONS
from coupon_pipeline.sources.ledgered import ORIGIN_FROM, REDEMPTIONS_ABOVE
from coupon_pipeline.tables import AsOf
from coupon_pipeline.weeks import WEEK

CLIENT = "pipeline"
NEWEST_CYCLE = "newest_cycle"
"""Setting of the ledger: the newest cycle that has begun to issue."""
FOREVER = 2**62
"""An instant that never comes."""
RESERVED = Statement("select cast(coalesce(sum(reserved), 0) as bigint) from escrow where scope = 'total'")


@dataclass(frozen=True)
class Issuing:
    """What a cycle came to."""

    rows: pa.Table
    """`record.ISSUES`."""
    issued: int
    """Issues that are new."""
    replayed: int
    """Issues that were there before."""
    imported: int
    """Live issues from before the ledger that it has taken over."""
    reserved_cents: int
    """Face value of the cycle's issues."""


def is_over(ledger: Ledger, week: str, last: str) -> bool:
    """Whether a cycle comes too late: a newer one has issued, or its week is not the `last` one of the calendar."""
    newest = ledger.setting(NEWEST_CYCLE)
    return week < last or (newest is not None and week < newest)


def issue(
    ledger: Ledger,
    as_of: AsOf,
    week: str,
    decided: pa.Table,
    limits: Limits,
    progress: Callable[[int], None] | None = None,
) -> Issuing:
    """Make offers and consent known, issue a cycle's decision records (coupon_assignments), and publish the events.

    Raises RefusalError and UnavailableError. Each step is safe to repeat, so that a cycle that was killed is taken up
    by the next one that runs.
    """
    known = definitions(as_of, limits)
    ledger.sync(known)
    imported = _take_over(ledger, as_of, week)
    ledger.set_setting(NEWEST_CYCLE, week)
    asked = record.assignments(decided)
    outcomes = ledger.issue_all(CLIENT, asked, progress)
    ledger.claim()
    rows = record.issues(asked, outcomes, _issued_at(ledger, as_of.instant, outcomes))
    values = {coupon.coupon_id: coupon.value_cents for coupon in known.coupons}
    issued = rows.filter(rows["issue_id"].is_valid())
    replayed = sum(outcome.replay for outcome in outcomes)
    reserved = sum(values[coupon] for coupon in issued["coupon_id"].to_pylist())
    return Issuing(rows, issued.num_rows - replayed, replayed, imported, reserved)


def skip(ledger: Ledger, as_of: AsOf, decided: pa.Table, before: pa.Table | None) -> Issuing:
    """The record of a cycle that is over: as it stood (`before`); where that is lost, as the ledger remembers it."""
    asked = record.assignments(decided)
    known = _remembered(ledger, as_of.instant, asked) if before is None else before
    return Issuing(record.too_late(asked, known), 0, 0, 0, 0)


def outstanding_cents(ledger: Ledger) -> int:
    """The face value of all issues that are open or redeemed."""
    found = ledger.database.read(lambda tx: tx.one(RESERVED))
    return int(found[0]) if found else 0


def _take_over(ledger: Ledger, as_of: AsOf, week: str) -> int:
    """Make the ledger the origin of issues and redemptions, from the week after its first cycle on."""
    if ledger.setting(ORIGIN_FROM) is not None:
        return 0
    above = takeover.largest_id(as_of, ISSUES, "issue_id")
    imported = ledger.import_live(takeover.live_issues(as_of), above)
    redeemed = takeover.largest_id(as_of, REDEMPTIONS, "redemption_id")
    ledger.set_setting(REDEMPTIONS_ABOVE, str(takeover.above(redeemed)))
    # Last: from here on the source's own issues and redemptions are read no more.
    ledger.set_setting(ORIGIN_FROM, (date.fromisoformat(week) + WEEK).isoformat())
    return imported


def _issued_at(ledger: Ledger, decided_at: datetime, outcomes: Sequence[Outcome]) -> dict[int, datetime]:
    """When each issue was made: as exported in the week that was decided for, or later."""
    wanted = {outcome.issue_id for outcome in outcomes if outcome.issue_id is not None}
    exported = ledger.exported_issues(to_epoch(decided_at), FOREVER, ())
    return {one.issue_id: from_epoch(one.issued_at) for one in exported if one.issue_id in wanted}


def _remembered(ledger: Ledger, decided_at: datetime, asked: Sequence[Assignment]) -> pa.Table:
    try:
        exported = ledger.exported_issues(to_epoch(decided_at), to_epoch(decided_at + WEEK), ())
    except UnavailableError:
        # Trimmed: what the cycle issued has long arrived in coupon_issues.
        exported = []
    known = {one.decision_id: one for one in exported}
    found = [(one, known[one.decision_id]) for one in asked if one.decision_id in known]
    outcomes = [Outcome(one.decision_id, issue.issue_id) for one, issue in found]
    at = {issue.issue_id: from_epoch(issue.issued_at) for _, issue in found}
    return record.issues([one for one, _ in found], outcomes, at)
