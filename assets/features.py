"""Features of a cycle: every known household, every live coupon and every candidate pair, as of the decision time."""

from collections.abc import Iterator

import dagster as dg

from assets.digests import FEATURE_TABLES, Digests
from assets.graph import Graph, Weekly, facts, plain_failures
from assets.pipeline import Pipeline
from models.dataset import inputs

from coupon_pipeline.features.compute import blocks
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.tables import Store

INPUTS_AGE = "inputs_age"
DESCRIPTIONS = {
    "household": "What each known household buys, how it uses coupons and who it is.",
    "coupon": "What each live coupon is worth and how its products and its like have done.",
    "pair": "What each targeted household has bought of each live coupon's products, category, maker and department.",
}


def cycle_features(graph: Graph) -> dg.AssetsDefinition:
    """The assets features/household, features/coupon and features/pair."""
    keys = {name: graph.key("features", name) for name in FEATURE_TABLES}
    pairs = graph.key("coupons", "candidates")
    deps = [pairs, *(graph.judged(name) for name in inputs(graph.tables))]

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
        check_specs=[
            dg.AssetCheckSpec(
                INPUTS_AGE, asset=keys["household"], description="Every table that is read is of this cycle."
            )
        ],
    )
    def compute(
        context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline], candidates: Weekly
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
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
        yield _inputs_age(store, keys["household"], graph, context.partition_keys[-1])

    return compute


def _inputs_age(store: Store, key: dg.AssetKey, graph: Graph, week: str) -> dg.AssetCheckResult:
    """How many weeks older than the cycle the tables are whose last weeks were not fit to use; it warns of them."""
    ages = {name: store.age(name, week) for name in inputs(graph.tables)}
    old = {name: age for name, age in ages.items() if age}
    return dg.AssetCheckResult(
        check_name=INPUTS_AGE,
        asset_key=key,
        passed=not old,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"weeks": old or "all tables are of this cycle"},
    )
