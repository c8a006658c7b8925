"""Contracts at work: per table the clean weeks, the quarantine, and one check per dimension of the contract."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import pyarrow as pa

from assets.checks import Summary, check_results, check_specs, page_link
from assets.digests import Digests
from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.judging import published
from coupon_pipeline.contracts.judging.check import check_weeks
from coupon_pipeline.contracts.mending.replays import with_replays
from coupon_pipeline.contracts.showing.pages import page_path, write_page
from coupon_pipeline.tables import Store


def contracted(graph: Graph, table: str) -> dg.AssetsDefinition:
    """The assets clean/<table> and quarantine/<table> with the checks of the contract."""
    contract = reader.load(table)
    raw, clean, quarantine = (graph.key(layer, table) for layer in ("raw", "clean", "quarantine"))
    shared: dict[str, Any] = {
        "group_name": "contracts",
        "kinds": {"parquet", "greatexpectations"},
        "owners": [contract.owner],
        "deps": [raw, *(graph.judged(name) for name in contract.others if name in graph.tables)],
    }

    @dg.multi_asset(
        name=f"contract_{table}",
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        specs=[
            dg.AssetSpec(
                clean,
                skippable=True,
                description=contract.description,
                metadata={"dagster/column_schema": column_schema(contract)},
                **shared,
            ),
            dg.AssetSpec(quarantine, description=f"Rows of {table} that broke a rule, as they came.", **shared),
        ],
        check_specs=check_specs(contract, clean),
    )
    def validate(
        context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> Iterator[dg.MaterializeResult | dg.AssetMaterialization | dg.AssetCheckResult]:
        with plain_failures():
            summaries = publish(pipeline, contract, context.partition_keys)
        for found in summaries:
            told = _facts(pipeline.store, "quarantine", table, found)
            context.add_asset_metadata(told, asset_key=quarantine, partition_key=found.week)
        fit = [(found.week, _facts(pipeline.store, "clean", table, found)) for found in summaries if found.passed]
        if len(fit) == len(summaries):
            for week, told in fit:
                context.add_asset_metadata(told, asset_key=clean, partition_key=week)
            yield dg.MaterializeResult(asset_key=clean)
        else:
            yield from (dg.AssetMaterialization(clean, partition=week, metadata=told) for week, told in fit)
        yield dg.MaterializeResult(asset_key=quarantine)
        yield from check_results(contract, clean, summaries)
        if contract.mandatory and len(fit) < len(summaries):
            raise dg.Failure(description=_blocked(summaries), allow_retries=False)

    return validate


def publish(pipeline: Pipeline, contract: Contract, weeks: Sequence[str]) -> list[Summary]:
    """Validate landed weeks, write the quarantine of each, and the clean rows of those that are fit to use."""
    store, digests = pipeline.store, Digests(pipeline)
    beside = published.surroundings(store, contract, weeks)
    summaries = []
    for verdict in check_weeks(contract, weeks, lambda week: delivered(store, contract.name, week), beside):
        published.publish(store, contract, verdict, digests.clean(contract.name, verdict.week))
        summaries.append(Summary.of(verdict))
        write_page(contract, summaries[-1], page_path(store.root, contract.name, verdict.week))
    return summaries


def delivered(store: Store, table: str, week: str) -> pa.Table:
    """What a week is judged on: the rows that landed, then those that were let in again."""
    raw = store.read("raw", table, week)
    if not store.path("replays", table, week).exists():
        return raw
    return with_replays(raw, store.read("replays", table, week))


def _blocked(summaries: Sequence[Summary]) -> str:
    """Why weeks are not published: the sentences of the first one, and how many more there are."""
    first, *others = [found for found in summaries if not found.passed]
    more = f" (and {len(others)} more weeks, to {others[-1].week})" if others else ""
    return f"{' '.join(first.reasons)}{more}"


def _facts(store: Store, layer: str, table: str, found: Summary) -> dict[str, Any]:
    rows = found.clean if layer == "clean" else found.quarantined
    told = facts(store, layer, table, found.week, rows)
    told |= {"rows_in": found.rows_in, "quarantine_share": found.share}
    return told | {"results": page_link(page_path(store.root, table, found.week))}


def column_schema(contract: Contract) -> dg.TableSchema:
    """The columns of a contract as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.physical_type,
                f"{column.description} ({column.unit})",
                constraints=dg.TableColumnConstraints(nullable=not column.required),
                tags={"classification": column.classification} if column.classification else None,
            )
            for column in contract.columns
        ]
    )
