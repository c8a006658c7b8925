"""Take over issues that were live before the ledger: they keep their ids, and are not told of again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from coupon_pipeline.ledger.operations import admission
from coupon_pipeline.ledger.operations.admission import Offer
from coupon_pipeline.ledger.operations.context import Context
from coupon_pipeline.ledger.operations.escrow import OF_SCOPE
from coupon_pipeline.ledger.operations.issuing import (
    INSERT,
    LABELS,
    TAKEN_CATEGORY,
    TAKEN_SLOTS,
    Place,
    fingerprint_of,
    row_of,
)
from coupon_pipeline.ledger.records import Imported
from coupon_pipeline.ledger.statement import Statement, Transaction

CLIENT: Final = "import"
ABOVE: Final = {
    "sqlite": Statement(
        "update setting set value = cast(max(cast(value as integer), :above + 1) as text) where name = 'next_issue_id'"
    ),
    "postgresql": Statement(
        "select setval('issue_id', greatest(:above, (select last_value from issue_id)), true) where :above > 0"
    ),
}
IS_THERE: Final = Statement("select 1 from issue where issue_id = :issue_id")
ADMIT: Final = Statement(
    "update escrow set reserved = reserved + :amount, granted = case when granted < reserved + :amount "
    f"then reserved + :amount else granted end where {OF_SCOPE} and shard = 0"
)
"""What was promised before is owed, whatever the limit: it grows where it has to."""


def import_live(tx: Transaction, context: Context, rows: Sequence[Imported], above: int, now: int) -> int:
    """Add live issues whose coupons and owners the ledger knows; returns how many, 0 when done before.

    The ids of later issues lie above `above`.
    """
    if tx.dialect == "postgresql":
        tx.one(ABOVE["postgresql"], above=above)
    else:
        tx.run(ABOVE["sqlite"], above=above)
    settings = admission.settings(tx)
    timezone = settings.get(admission.TIMEZONE, "UTC")
    return sum(_imported(tx, context, row, timezone, now) for row in sorted(rows, key=lambda one: one.issue_id))


def _imported(tx: Transaction, context: Context, row: Imported, timezone: str, now: int) -> bool:
    household = context.household(row.household_id)
    offer, owner = admission.offer(tx, row.coupon_id), tx.one(admission.OWNER, household=household)
    if tx.one(IS_THERE, issue_id=row.issue_id) is not None or offer is None or owner is None or not owner[1]:
        return False
    if offer.expires_at <= now or _is_taken(tx, owner[0], offer):
        return False
    slot = admission.free_slot(admission.slots(tx.all(TAKEN_SLOTS, campaign_id=offer.campaign_id, pid=owner[0])))
    place = Place(slot, admission.local_day(row.issued_at, timezone), None)
    labels = {name: getattr(row, name) for name in LABELS}
    cells = row_of(offer, context.keys.newest, row.issue_id, owner[0], place, {}, row.issued_at)
    cells |= {
        "client": CLIENT,
        "idem": context.idem(f"{CLIENT}-{row.issue_id:08d}"),
        "fingerprint": fingerprint_of(context, row.household_id, row.coupon_id, list(labels.values())),
        "coupon_id": row.coupon_id,
        "is_imported": 1,
    }
    if tx.one(INSERT, **(cells | labels)) is None:
        return False
    for scope, scope_id, amount, _ in offer.limits(row.coupon_id):
        tx.run(ADMIT, scope=scope, scope_id=scope_id, amount=amount)
    return True


def _is_taken(tx: Transaction, pid: bytes, offer: Offer) -> bool:
    if offer.category is None:
        return False
    return tx.one(TAKEN_CATEGORY, pid=pid, category=offer.category) is not None
