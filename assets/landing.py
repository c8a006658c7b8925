"""Landing: each week of each table as the source delivered it, without the households that are erased."""

from typing import Final

import dagster as dg
import pyarrow as pa

from assets.digests import Digests
from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader
from coupon_pipeline.erasures.households import Erasures
from coupon_pipeline.erasures.rule import Erased, Rule
from coupon_pipeline.sources.ledgered import EXPORTED, Ledgered
from coupon_pipeline.sources.source import SourceError

TRIES: Final = 3
"""Readings of a week until its files hold still."""


def landed(graph: Graph, table: str) -> dg.AssetsDefinition:
    """The asset raw/<table>."""
    contract = reader.load(table)

    @dg.asset(
        key=graph.key("raw", table),
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        # What the ledger exports is joined to the customers that are known.
        deps=[graph.judged("customers")] if table in EXPORTED and "customers" in graph.tables else [],
        group_name="landing",
        kinds={"parquet"},
        owners=[contract.owner],
        description=f"{contract.description} As the source delivered it.",
    )
    def land(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        with plain_failures():
            erasures = Erasures.of(pipeline.store)
            for week in context.partition_keys:
                left = land_week(pipeline, table, week, erasures)
                told = facts(pipeline.store, "raw", table, week, left.rows.num_rows) | {"erased_rows": left.count}
                context.add_asset_metadata(told, partition_key=week)

    return land


def land_week(pipeline: Pipeline, table: str, week: str, erasures: Erasures) -> Erased:
    """Write a week as delivered, but without the households that are erased: an old delivery still has them."""
    contract = reader.load(table)
    rows, digest = read_settled(pipeline, table, week)
    left = Rule.of(contract).erase(rows, erasures.households, erasures.rows(contract, week))
    pipeline.store.write("raw", table, week, left.rows, digest)
    _settle(pipeline, table, week)
    return left


def read_settled(pipeline: Pipeline, table: str, week: str) -> tuple[pa.Table, str]:
    """A week as delivered, and the digest of what it was made from; raises SourceError if that keeps changing.

    A file that arrives while the week is read would else be in the digest and not in the rows, for good.
    """
    digests = Digests(pipeline)
    for _ in range(TRIES):
        before = digests.raw(table, week)
        rows = pipeline.source.read(table, week)
        if digests.raw(table, week) == before:
            return rows, before
    raise SourceError(f"{table} of week {week} changes while it is read: land it again once its delivery is complete")


def _settle(pipeline: Pipeline, table: str, week: str) -> None:
    """Let the ledger know once all that it exports of a week has landed."""
    source = pipeline.source
    if not isinstance(source, Ledgered) or not source.is_origin(table, week):
        return
    digests = Digests(pipeline)
    if all(digests.found("raw", each, week) == digests.raw(each, week) for each in source.exported):
        source.settle(week)
