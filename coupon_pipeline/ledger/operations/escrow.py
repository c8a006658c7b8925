"""Limits that are reserved at issue, in shards, so that they hold whoever issues at the same time."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Final

from coupon_pipeline.ledger.reasons import Reason
from coupon_pipeline.ledger.statement import Row, Statement, Transaction

REASONS: Final = {
    "campaign": Reason.LIABILITY_EXHAUSTED,
    "supplier": Reason.LIABILITY_EXHAUSTED,
    "total": Reason.LIABILITY_EXHAUSTED,
    "campaign_issues": Reason.CAMPAIGN_CAP,
    "coupon_issues": Reason.COUPON_CAP,
}
"""Scope -> why an issue is refused; also the order in which rows are locked, the same for everybody."""
ORDER: Final = {scope: number for number, scope in enumerate(REASONS)}
TOTAL: Final = 0
"""The id of the one row of the scope `total`."""
CAPS: Final = 7220191
"""Number of PostgreSQL's lock that an issue shares, and that is held alone while a cap on counts comes into being."""

OF_SCOPE: Final = "scope = :scope and scope_id = :scope_id"
RESERVE: Final = Statement(
    f"update escrow set reserved = reserved + :amount where {OF_SCOPE} and shard = :shard "
    "and reserved + :amount <= granted"
)
RELEASE: Final = Statement(f"update escrow set reserved = reserved - :amount where {OF_SCOPE} and shard = :shard")
SHARDS: Final = Statement(
    f"select shard, granted, reserved from escrow where {OF_SCOPE} order by shard {{lock}}", "for update"
)
DRAIN: Final = Statement(f"update escrow set granted = reserved where {OF_SCOPE} and shard > 0")
POOL: Final = Statement(
    f"update escrow set granted = granted + :spare, reserved = reserved + :amount where {OF_SCOPE} and shard = 0"
)


def reserve(tx: Transaction, scope: str, scope_id: int, amount: int, shards: int) -> int | None:
    """Reserve an amount in one of `shards` shards; returns which one, or None where the limit has no room.

    Where no single shard has room, what all have left is pooled in shard 0. Only grants move, never reservations.
    """
    for shard in random.sample(range(shards), shards):
        if tx.run(RESERVE, scope=scope, scope_id=scope_id, amount=amount, shard=shard):
            return shard
        if shards == 1:
            return None
    return 0 if pooled(tx, scope, scope_id, lambda free: amount if free >= amount else 0) else None


def pooled(tx: Transaction, scope: str, scope_id: int, wanted: Callable[[int], int]) -> int:
    """Lock a limit, pool it in shard 0 and reserve there what `wanted(free)` asks for; returns that amount."""
    rows = tx.all(SHARDS, scope=scope, scope_id=scope_id)
    free = sum(granted - reserved for _, granted, reserved in rows)
    amount = wanted(free)
    if amount <= 0:
        return 0
    spare = sum(granted - reserved for shard, granted, reserved in rows if shard > 0)
    if spare:
        tx.run(DRAIN, scope=scope, scope_id=scope_id)
    tx.run(POOL, scope=scope, scope_id=scope_id, spare=spare, amount=amount)
    return amount


ENDING: Final = (
    "issue_id, campaign_id, campaign_shard, supplier_id, supplier_shard, supplier_cents, total_shard, value_cents"
)
"""Columns of an issue that `release` needs, in its order."""


def release(tx: Transaction, ended: Iterable[Row]) -> None:
    """Give back what ended issues (rows of ENDING) had reserved, one statement per shard, in the common order."""
    sums: Counter[tuple[int, str, int, int]] = Counter()
    for _, campaign, campaign_shard, supplier, supplier_shard, supplier_cents, total_shard, value in ended:
        sums[ORDER["campaign"], "campaign", campaign, campaign_shard] += value
        sums[ORDER["total"], "total", TOTAL, total_shard] += value
        if supplier_cents:
            sums[ORDER["supplier"], "supplier", supplier, supplier_shard] += supplier_cents
    for (_, scope, scope_id, shard), amount in sorted(sums.items()):
        tx.run(RELEASE, scope=scope, scope_id=scope_id, shard=shard, amount=amount)
