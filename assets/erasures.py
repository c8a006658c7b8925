"""Erasure: who is erased, and every file without them."""

import json
from pathlib import Path

import dagster as dg

from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader
from coupon_pipeline.erasures.households import Erasures, add, told_by
from coupon_pipeline.erasures.rewriting import rewrite
from coupon_pipeline.erasures.rule import Rule
from coupon_pipeline.files import write_text
from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.snapshot import forgetting
from coupon_pipeline.sources import erasing
from coupon_pipeline.tables import ERASURES


def erasures(graph: Graph) -> dg.AssetsDefinition:
    """The asset erasures/households: after all tables are judged, before anything is computed from them."""

    @dg.asset(
        key=graph.erasures,
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        # Of each table the part that is there also where its clean rows are not fit to use.
        deps=[graph.key("quarantine", table) for table in graph.tables],
        group_name="contracts",
        kinds={"parquet"},
        owners=["team:customer-relations"],
        description="Households that asked to be erased; with it, they are removed from every file of every layer.",
    )
    def erase(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        store = pipeline.store
        with plain_failures():
            for week in context.partition_keys:
                rows = add(store, week, _told(pipeline, week))
                told = facts(store, *ERASURES, week, rows)
                context.add_asset_metadata(told, partition_key=week)
            files = carry_out(pipeline)
        context.log.info("%s", f"{files} files rewritten")

    return erase


def carry_out(pipeline: Pipeline) -> int:
    """Remove all erased households from everything that is kept; returns how many files that took.

    What is current in the service stays until the cycle's snapshot takes its place.
    """
    found = Erasures.of(pipeline.store)
    forgetting.forget(pipeline.settings.bundles, found.households)
    if _is_done(pipeline, found):
        return 0
    files = rewrite(pipeline.store, found)
    erasing.forget(pipeline.source, found.households)
    erasing.forget_in_ledger(pipeline.settings, pipeline.store, found.households)
    write_text(_marker(pipeline), json.dumps({"done": _state(pipeline, found)}) + "\n")
    return files


def _told(pipeline: Pipeline, week: str) -> dict:
    """The households that the tables of households call erased in a week."""
    contracts = [reader.load(table) for table in pipeline.source.tables()]
    keeping = [contract for contract in contracts if Rule.of(contract).keeps_erasure]
    return {household: at for contract in keeping for household, at in told_by(pipeline.store, contract, week).items()}


def _is_done(pipeline: Pipeline, found: Erasures) -> bool:
    if not len(found.households):
        return True
    try:
        return json.loads(_marker(pipeline).read_text(encoding="utf-8"))["done"] == _state(pipeline, found)
    except (FileNotFoundError, ValueError, KeyError):
        return False


def _state(pipeline: Pipeline, found: Erasures) -> str:
    """What has been carried out: a list of erasures, on the dumps that had arrived."""
    dumps = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in erasing.kept(pipeline.source)]
    return fingerprint(found.digest, dumps)


def _marker(pipeline: Pipeline) -> Path:
    return pipeline.store.root / ERASURES[0] / "done.json"
