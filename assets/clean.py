"""Contracts at work: per table the clean weeks, the quarantine, and one check per dimension of the contract."""

from collections.abc import Iterator, Sequence
from typing import Any

import dagster as dg
import numpy as np

from assets.checks import Summary, check_names, check_results
from assets.digests import Digests
from assets.graph import Graph, facts, plain_failures
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.check import check_weeks
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.references import Reference
from coupon_pipeline.tables import Store


def contracted(graph: Graph, table: str) -> dg.AssetsDefinition:
    """The assets clean/<table> and quarantine/<table> with the checks of the contract."""
    contract = reader.load(table)
    raw, clean, quarantine = (graph.key(layer, table) for layer in ("raw", "clean", "quarantine"))
    referenced = sorted({target.split(".")[0] for target in contract.references.values()})
    shared: dict[str, Any] = {
        "group_name": "contracts",
        "kinds": {"parquet", "greatexpectations"},
        "owners": [contract.owner],
    }
    deps = [raw, *(graph.key("clean", name) for name in referenced)]

    @dg.multi_asset(
        name=f"contract_{table}",
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        specs=[
            dg.AssetSpec(
                clean,
                deps=deps,
                skippable=True,
                description=contract.description,
                metadata={"dagster/column_schema": column_schema(contract)},
                **shared,
            ),
            dg.AssetSpec(
                quarantine, deps=deps, description=f"Rows of {table} that broke a rule, as they came.", **shared
            ),
        ],
        check_specs=[dg.AssetCheckSpec(name, asset=clean, blocking=True) for name in check_names(contract)],
    )
    def validate(
        context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]
    ) -> Iterator[dg.MaterializeResult | dg.AssetMaterialization | dg.AssetCheckResult]:
        with plain_failures():
            summaries = publish(pipeline, contract, context.partition_keys)
        for found in summaries:
            context.add_asset_metadata(
                _facts(pipeline.store, "quarantine", table, found), asset_key=quarantine, partition_key=found.week
            )
        if all(found.passed for found in summaries):
            for found in summaries:
                context.add_asset_metadata(
                    _facts(pipeline.store, "clean", table, found), asset_key=clean, partition_key=found.week
                )
            yield dg.MaterializeResult(asset_key=clean)
        else:
            yield from (
                dg.AssetMaterialization(
                    clean, partition=found.week, metadata=_facts(pipeline.store, "clean", table, found)
                )
                for found in summaries
                if found.passed
            )
        yield dg.MaterializeResult(asset_key=quarantine)
        yield from check_results(contract, clean, summaries)

    return validate


def publish(pipeline: Pipeline, contract: Contract, weeks: Sequence[str]) -> list[Summary]:
    """Validate landed weeks, write the quarantine of each, and the clean rows of those that are fit to use."""
    store, calendar, digests = pipeline.store, pipeline.source.calendar, Digests(pipeline)
    verdicts = check_weeks(
        contract,
        weeks,
        lambda week: store.read("raw", contract.name, week),
        references(store, contract, weeks[-1]),
        calendar.opens_at,
        calendar.decision_time,
    )
    summaries = []
    for verdict in verdicts:
        digest = digests.clean(contract.name, verdict.week)
        store.write("quarantine", contract.name, verdict.week, verdict.quarantined, digest)
        if verdict.passed:
            store.write("clean", contract.name, verdict.week, verdict.clean, digest)
        summaries.append(Summary.of(verdict))
    return summaries


def references(store: Store, contract: Contract, last: str) -> dict[str, Reference]:
    """The keys that foreign keys may point to, with the week in which each became known, up to a week."""
    return {target: _reference(store, *target.split("."), last) for target in set(contract.references.values())}


def _reference(store: Store, table: str, column: str, last: str) -> Reference:
    weeks = [week for week in store.calendar.weeks if week <= last]
    keys = [store.read("clean", table, week, [column])[column].to_numpy() for week in weeks]
    first = np.concatenate([np.full(len(found), n) for n, found in enumerate(keys)])
    # unique() gives the position of the first occurrence, and weeks are in order.
    distinct, positions = np.unique(np.concatenate(keys), return_index=True)
    return Reference(distinct, np.asarray(weeks)[first[positions]])


def _facts(store: Store, layer: str, table: str, found: Summary) -> dict[str, Any]:
    rows = found.clean if layer == "clean" else found.quarantined
    return facts(store, layer, table, found.week, rows) | {"rows_in": found.rows_in, "quarantine_share": found.share}


def column_schema(contract: Contract) -> dg.TableSchema:
    """The columns of a contract as the UI shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.physical_type,
                column.description,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
                tags={"classification": column.classification} if column.classification else None,
            )
            for column in contract.columns
        ]
    )
