"""What claimed events tell the pipeline: issues and redemptions, each once, with the household where it is known."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from coupon_pipeline.ledger.operations.context import Context
from coupon_pipeline.ledger.operations.outbox import batches
from coupon_pipeline.ledger.reasons import Reason, UnavailableError
from coupon_pipeline.ledger.records import ExportedIssue, ExportedRedemption
from coupon_pipeline.ledger.statement import Statement, Transaction

WITHIN: Final = "b.known_at >= :opens_at and b.known_at < :closes_at"
NAMES: Final = Statement("select household_hmac, pid from pseudonym")
ISSUES: Final = Statement(
    "select i.issue_id, i.coupon_id, i.pid, i.decision_id, i.propensity, i.policy, i.arm, i.channel, i.issued_at, "
    "b.known_at from outbox o join batch b on b.number = o.batch join issue i on i.issue_id = o.issue_id "
    f"where o.topic = 'issued' and {WITHIN} order by i.issue_id"
)
_REDEMPTION: Final = (
    "select r.redemption_id, r.issue_id, i.coupon_id, i.pid, r.store_id, r.basket_id, r.discount_cents, r.at, "
    "{deleted}, b.known_at from outbox o join batch b on b.number = o.batch "
    "join redemption r on r.redemption_id = o.redemption_id "
    f"join issue i on i.issue_id = r.issue_id where {WITHIN} and o.topic = "
)
_ALONE: Final = (
    "not exists (select 1 from outbox t where t.batch = o.batch and t.redemption_id = o.redemption_id and t.topic = "
)
REDEMPTIONS: Final = Statement(
    f"{_REDEMPTION.format(deleted=0)} 'redeemed' and {_ALONE} 'reversed') "
    f"union all {_REDEMPTION.format(deleted=1)} 'reversed' and {_ALONE} 'redeemed') "
    "order by 10, 1"
)
"""A redemption that was reversed before it was claimed is none; one reversed later comes again, as deleted."""


def exported_issues(
    tx: Transaction, context: Context, opens_at: int, closes_at: int, households: Iterable[int]
) -> list[ExportedIssue]:
    """The issues that became known in a span, by id; raises UnavailableError where their events were trimmed."""
    names = _names(tx, context, opens_at, closes_at, households)
    return [
        ExportedIssue(issue_id, coupon_id, names.get(bytes(pid)), *rest)
        for issue_id, coupon_id, pid, *rest in tx.all(ISSUES, opens_at=opens_at, closes_at=closes_at)
    ]


def exported_redemptions(
    tx: Transaction, context: Context, opens_at: int, closes_at: int, households: Iterable[int]
) -> list[ExportedRedemption]:
    """The redemptions, and the reversals of earlier ones, that became known in a span, in that order."""
    names = _names(tx, context, opens_at, closes_at, households)
    return [
        ExportedRedemption(redemption_id, issue_id, coupon_id, names.get(bytes(pid)), *rest, bool(deleted), known_at)
        for redemption_id, issue_id, coupon_id, pid, *rest, deleted, known_at in tx.all(
            REDEMPTIONS, opens_at=opens_at, closes_at=closes_at
        )
    ]


def _names(
    tx: Transaction, context: Context, opens_at: int, closes_at: int, households: Iterable[int]
) -> dict[bytes, int]:
    """Pseudonym -> household, of those that are known and not erased."""
    if any(batch.is_trimmed for batch in batches(tx, opens_at, closes_at)):
        raise UnavailableError(
            Reason.UNAVAILABLE, "the events of these weeks were trimmed from the outbox: restore them from a backup"
        )
    known = {context.household(household_id): household_id for household_id in households}
    return {bytes(pid): known[bytes(name)] for name, pid in tx.all(NAMES) if bytes(name) in known}
