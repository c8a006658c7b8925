"""Landing: each week of each table as the source delivered it."""

import dagster as dg

from assets.digests import Digests
from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader


def landed(graph: Graph, table: str) -> dg.AssetsDefinition:
    """The asset raw/<table>."""
    contract = reader.load(table)

    @dg.asset(
        key=graph.key("raw", table),
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="landing",
        kinds={"parquet"},
        owners=[contract.owner],
        description=f"{contract.description} As the source delivered it.",
    )
    def land(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        with plain_failures():
            digests = Digests(pipeline)
            for week in context.partition_keys:
                rows = pipeline.source.read(table, week)
                pipeline.store.write("raw", table, week, rows, digests.raw(table, week))
                context.add_asset_metadata(facts(pipeline.store, "raw", table, week, rows.num_rows), partition_key=week)

    return land
