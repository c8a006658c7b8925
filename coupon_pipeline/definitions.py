"""All that Dagster loads: assets, checks, jobs and resources, composed in one place."""

from __future__ import annotations

import warnings

import dagster as dg

from assets import (
    clean,
    coupons,
    erasures,
    features,
    issues,
    landing,
    models,
    reconciliation,
    snapshot,
)
from assets.graph import Graph
from assets.io import ParquetInputs
from assets.pipeline import Pipeline

from coupon_pipeline.contracts import reader
from coupon_pipeline.settings import Settings
from coupon_pipeline.sources.source import SourceError

WEEKLY = ("landing", "contracts", "features", "coupons", "serving")
"""Groups of a cycle, in the order in which they run."""


def build(pipeline: Pipeline) -> dg.Definitions:
    """The definitions of one source's pipeline."""
    source = pipeline.source
    graph = Graph(source.name, dg.StaticPartitionsDefinition(list(source.calendar.weeks)), source.tables())
    with warnings.catch_warnings():
        # A range of weeks in one run needs a backfill policy, which Dagster calls beta.
        warnings.simplefilter("ignore", dg.BetaWarning)
        assets = _assets(graph)
    return dg.Definitions(
        assets=assets,
        jobs=[
            dg.define_asset_job(
                "backfill",
                dg.AssetSelection.groups("landing", "contracts"),
                description="Land and validate a range of weeks in one run.",
            ),
            dg.define_asset_job(
                "train",
                dg.AssetSelection.groups("models"),
                description="Train the redemption model on closed campaigns, register it, and let the gates decide.",
            ),
            dg.define_asset_job(
                "cycle",
                dg.AssetSelection.groups(*WEEKLY),
                description="One week, without training: land, validate, decide for the week after, publish.",
            ),
        ],
        resources={"pipeline": pipeline, "io_manager": ParquetInputs(pipeline)},
        executor=dg.in_process_executor
        if pipeline.settings.executor == "in_process"
        else dg.multiprocess_executor.configured({"max_concurrent": 2}),
    )


def complete(pipeline: Pipeline) -> Pipeline:
    """The pipeline itself; raises SourceError where its source lacks a mandatory table."""
    source = pipeline.source
    missing = [name for name in reader.names() if reader.load(name).mandatory and name not in source.tables()]
    if missing:
        raise SourceError(
            f"the source {source.name} lacks the tables {', '.join(missing)}, which the contracts call mandatory: "
            "nothing works without them, add them to its YAML file"
        )
    return pipeline


def _assets(graph: Graph) -> list[dg.AssetsDefinition]:
    return [
        *(landing.landed(graph, table) for table in graph.tables),
        *(clean.contracted(graph, table) for table in graph.tables),
        erasures.erasures(graph),
        coupons.candidates(graph),
        features.cycle_features(graph),
        models.training_rows(graph),
        models.redemption_model(graph),
        models.champion(graph),
        coupons.assignments(graph),
        issues.issues(graph),
        reconciliation.reconciliation(graph),
        snapshot.published(graph),
    ]


defs = build(complete(Pipeline(Settings())))
