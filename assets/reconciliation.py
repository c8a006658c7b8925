"""Reconciliation: each difference between ledger, export, tills and bills of a week, and whether the books close."""

from collections import Counter
from collections.abc import Iterator, Sequence

import dagster as dg
import pyarrow as pa

from assets.digests import Digests
from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline

from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.ledger.audit import Check, audit
from coupon_pipeline.reconciling.comparing import WEEKLY, of_week
from coupon_pipeline.reconciling.day import KINDS
from coupon_pipeline.reconciling.opening import opened
from coupon_pipeline.sources.ledgered import there_is_a_ledger

TABLE = "reconciliation"
BOOKS_CLOSE = "books_close"


def reconciliation(graph: Graph) -> dg.AssetsDefinition:
    """The asset ledger/reconciliation with the check books_close."""
    key = graph.key("ledger", TABLE)
    landed = [graph.key("raw", "coupon_redemptions")] if "coupon_redemptions" in graph.tables else []
    read = [graph.judged(table) for table in ("pos_transactions", "bills") if table in graph.tables]

    @dg.asset(
        key=key,
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[*landed, *read, graph.key("ledger", "issues")],
        check_specs=[
            dg.AssetCheckSpec(BOOKS_CLOSE, asset=key, description="Every balance of the ledger follows from its facts.")
        ],
        group_name="coupons",
        kinds={"parquet", "duckdb"},
        owners=["team:store-systems"],
        description="Each difference between ledger, export, tills and bills of the week's days, with its money.",
    )
    def compare(
        context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> Iterator[dg.MaterializeResult]:
        with plain_failures():
            weeks, checks = looked(pipeline, context.partition_keys)
            for week, rows in weeks.items():
                pipeline.store.write("ledger", TABLE, week, rows, digest(pipeline, week))
                told = facts(pipeline.store, "ledger", TABLE, week, rows.num_rows) | _told(rows)
                context.add_asset_metadata(told, partition_key=week)
        yield dg.MaterializeResult(asset_key=key, check_results=[_closing(key, checks)])

    return compare


def looked(pipeline: Pipeline, weeks: Sequence[str]) -> tuple[dict[str, pa.Table], list[Check]]:
    """The differences of weeks, and the checks of the audit; nothing where there is no ledger yet."""
    if not there_is_a_ledger(pipeline.settings):
        return {week: WEEKLY.empty_table() for week in weeks}, []
    with opened(pipeline.settings) as database:
        found = {week: of_week(pipeline.store, pipeline.source, database, week) for week in weeks}
        return found, audit(database)


def digest(pipeline: Pipeline, week: str) -> str:
    """What a week is made from: what its tills, bills and redemptions come to, and the code that compares them."""
    digests = Digests(pipeline)
    tables = [name for name in ("pos_transactions", "bills") if name in pipeline.source.tables()]
    told = [digests.found("quarantine", name, week) for name in tables]
    code = code_of("coupon_pipeline.reconciling", __name__)
    return fingerprint(told, digests.found("raw", "coupon_redemptions", week), code)


def _closing(key: dg.AssetKey, checks: list[Check]) -> dg.AssetCheckResult:
    broken = {check.name: f"{check.value:,} rows, {check.cents:,} cents" for check in checks if not check.passed}
    return dg.AssetCheckResult(
        check_name=BOOKS_CLOSE, asset_key=key, passed=not broken, metadata=broken, severity=dg.AssetCheckSeverity.ERROR
    )


def _told(rows: pa.Table) -> dict[str, int]:
    """Per kind how many differences there are, and their cents."""
    counts, cents = Counter[str](), Counter[str]()
    for kind, amount in zip(rows["kind"].to_pylist(), rows["difference_cents"].to_pylist(), strict=True):
        counts[kind] += 1
        cents[kind] += amount
    return {kind: counts[kind] for kind in KINDS} | {f"{kind}_cents": cents[kind] for kind in KINDS}
