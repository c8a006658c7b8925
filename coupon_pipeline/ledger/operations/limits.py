"""Set what may be reserved: a limit is never lowered below what is reserved already."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.ledger.operations.escrow import CAPS, SHARDS
from coupon_pipeline.ledger.schema import UNLIMITED
from coupon_pipeline.ledger.statement import Statement, Transaction

MANY: Final = 8
"""Shards of a limit that many writers reserve from at once."""
ROOM: Final = 1_000_000
"""What one shard must hold at least, so that an issue seldom has to pool them."""

PUT: Final = Statement(
    "insert into escrow (scope, scope_id, shard, granted, reserved) values (:scope, :scope_id, :shard, :granted, "
    ":reserved) on conflict (scope, scope_id, shard) do update set granted = excluded.granted"
)
ALONE: Final = Statement("select pg_advisory_xact_lock(:caps)")
COUNTS: Final = {
    "campaign_issues": Statement("select count(*) from issue where campaign_id = :scope_id"),
    "coupon_issues": Statement("select count(*) from issue where coupon_id = :scope_id"),
}


def set_limit(tx: Transaction, scope: str, scope_id: int, limit: int | None) -> list[str]:
    """Grant `limit` (None: no limit) in all; where more is reserved, what is reserved: then its name is returned."""
    rows = {shard: (granted, reserved) for shard, granted, reserved in tx.all(SHARDS, scope=scope, scope_id=scope_id)}
    if scope in COUNTS and not rows:
        if limit is None:
            return []
        if tx.dialect == "postgresql":
            tx.one(ALONE, caps=CAPS)
        [issued] = tx.one(COUNTS[scope], scope_id=scope_id) or (0,)
        rows = {0: (issued, issued)}
    wanted = UNLIMITED if limit is None else limit
    reserved = sum(used for _, used in rows.values())
    raised = [f"{scope} {scope_id}"] if reserved > wanted else []
    if rows and sum(granted for granted, _ in rows.values()) == max(wanted, reserved) and scope not in COUNTS:
        return raised
    count = MANY if tx.dialect == "postgresql" and scope not in COUNTS and wanted // MANY >= ROOM else 1
    shards = range(max(count, *(shard + 1 for shard in rows)) if rows else count)
    spare = max(0, wanted - reserved)
    for shard in shards:
        used = rows.get(shard, (0, 0))[1]
        part = spare // len(shards) + (spare % len(shards) if shard == 0 else 0)
        values = {"scope": scope, "scope_id": scope_id, "shard": shard}
        tx.run(PUT, granted=used + part, reserved=used, **values)
    return raised
