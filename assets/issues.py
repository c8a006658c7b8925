"""The issues of a cycle: its assignments, given to the ledger."""

from collections.abc import Callable
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.coupons import OWNERS
from assets.digests import ISSUES, Digests
from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline
from models import training
from models.registry import Registry

from coupon_pipeline.clock import to_epoch
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.issuing import cycle
from coupon_pipeline.issuing.record import refused
from coupon_pipeline.sources.ledgered import opened


def issues(graph: Graph) -> dg.AssetsDefinition:
    """The asset ledger/issues."""

    @dg.asset(
        key=graph.key(*ISSUES),
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[graph.key("coupons", "coupon_assignments")],
        group_name="coupons",
        kinds={"sql"},
        owners=OWNERS,
        description="The assigned coupons, issued through the ledger; one that it refuses says why.",
    )
    def issue(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        with plain_failures():
            model = training.champion(Registry(pipeline.settings), REDEMPTION)
            for week in context.partition_keys:
                found, told = issued(pipeline, week, lambda done, of=week: context.log.info("%s", f"{of}: {done} done"))
                pipeline.store.write(*ISSUES, week, found, Digests(pipeline).issues(week, model.digest))
                told |= facts(pipeline.store, *ISSUES, week, found.num_rows)
                context.add_asset_metadata(told, partition_key=week)

    return issue


def issued(
    pipeline: Pipeline, week: str, progress: Callable[[int], None] | None = None
) -> tuple[pa.Table, dict[str, Any]]:
    """The record of a cycle's issues, and what there is to tell of it; a cycle that is over issues nothing."""
    store, limits = pipeline.store, pipeline.limits
    as_of = store.as_of(store.calendar.decision_time(week))
    decided = store.read("coupons", "coupon_assignments", week)
    with opened(pipeline.settings, lambda: to_epoch(as_of.instant)) as ledger:
        if cycle.is_over(ledger, week, store.calendar.weeks[-1]):
            there = store.path(*ISSUES, week).exists()
            found = cycle.skip(ledger, as_of, decided, store.read(*ISSUES, week) if there else None)
        else:
            found = cycle.issue(ledger, as_of, week, decided, limits, progress)
        outstanding = cycle.outstanding_cents(ledger)
    told = {"issued": found.issued, "replayed": found.replayed, "imported": found.imported}
    told |= {f"refused: {reason}": count for reason, count in refused(found.rows).items()}
    told["liability_reserved_cents"] = found.reserved_cents
    return found.rows, told | {"liability_outstanding_cents": outstanding, "currency": pipeline.source.currency}
