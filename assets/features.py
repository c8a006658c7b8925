"""Features of a cycle: every known household, every live coupon and every candidate pair, as of the decision time."""

from collections.abc import Iterator

import dagster as dg

from assets.digests import FEATURE_TABLES, Digests
from assets.graph import Graph, Weekly, facts, plain_failures
from assets.pipeline import Pipeline
from models.dataset import inputs

from coupon_pipeline.features.compute import blocks
from coupon_pipeline.features.sets import REDEMPTION

DESCRIPTIONS = {
    "household": "What each known household buys, how it uses coupons and who it is.",
    "coupon": "What each live coupon is worth and how its products and its like have done.",
    "pair": "What each targeted household has bought of each live coupon's products, category, maker and department.",
}


def cycle_features(graph: Graph) -> dg.AssetsDefinition:
    """The assets features/household, features/coupon and features/pair."""
    keys = {name: graph.key("features", name) for name in FEATURE_TABLES}
    pairs = graph.key("coupons", "candidates")
    deps = [pairs, *(graph.key("clean", name) for name in inputs(graph.tables))]

    @dg.multi_asset(
        name="cycle_features",
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={"candidates": dg.AssetIn(pairs)},
        specs=[
            dg.AssetSpec(
                keys[name],
                deps=deps,
                group_name="features",
                kinds={"ibis", "duckdb"},
                owners=["team:machine-learning"],
                description=DESCRIPTIONS[name],
            )
            for name in FEATURE_TABLES
        ],
    )
    def compute(
        context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline], candidates: Weekly
    ) -> Iterator[dg.MaterializeResult]:
        store = pipeline.store
        with plain_failures():
            for week in context.partition_keys:
                as_of = store.as_of(store.calendar.decision_time(week))
                found = blocks(as_of, candidates[week], REDEMPTION)
                digest = Digests(pipeline).features(week)
                tables = zip(FEATURE_TABLES, (found.households, found.coupons, found.pairs), strict=True)
                for name, rows in tables:
                    store.write("features", name, week, rows, digest)
                    told = facts(store, "features", name, week, rows.num_rows)
                    context.add_asset_metadata(told, asset_key=keys[name], partition_key=week)
        yield from (dg.MaterializeResult(asset_key=key) for key in keys.values())

    return compute
