"""Coupons of a cycle: candidates with what speaks against them, and the assignments that the budget buys."""

from collections.abc import Iterator
from datetime import date

import dagster as dg
import numpy as np
import pyarrow as pa

from assets.digests import Digests
from assets.graph import Graph, Weekly, facts, plain_failures
from assets.pipeline import Pipeline
from models import training
from models.redemption import matrix
from models.registry import Entry, Registry

from coupon_pipeline.decisions import candidates as offers
from coupon_pipeline.decisions import record
from coupon_pipeline.decisions.policy import Decisions, decide
from coupon_pipeline.features.compute import Blocks, assemble
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.fingerprints import fingerprint
from coupon_pipeline.snapshot.trees import parse, probability
from coupon_pipeline.weeks import WEEK

OWNERS = ["team:marketing"]


def candidates(graph: Graph) -> dg.AssetsDefinition:
    """The asset coupons/candidates."""

    @dg.asset(
        key=graph.key("coupons", "candidates"),
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        deps=[graph.erasures, *(graph.judged(name) for name in offers.READS if name in graph.tables)],
        group_name="coupons",
        kinds={"ibis", "duckdb"},
        owners=OWNERS,
        description="Targeted households and live coupons of the coming week; a pair that is refused says why.",
    )
    def find(context: dg.AssetExecutionContext, pipeline: dg.ResourceParam[Pipeline]) -> None:
        store = pipeline.store
        with plain_failures():
            for week in context.partition_keys:
                as_of = store.as_of(store.calendar.decision_time(week))
                rows = offers.candidates(as_of, pipeline.source.assignment)
                store.write("coupons", "candidates", week, rows, Digests(pipeline).candidates(week))
                verdicts = rows["refused"].value_counts().to_pylist()
                told = {verdict["values"] or "eligible": verdict["counts"] for verdict in verdicts}
                if pipeline.source.assignment is not None:
                    told["not_due"] = offers.not_due(as_of, pipeline.source.assignment)
                told |= facts(store, "coupons", "candidates", week, rows.num_rows)
                context.add_asset_metadata(told, partition_key=week)

    return find


def assignments(graph: Graph) -> dg.AssetsDefinition:
    """The assets coupons/coupon_assignments and coupons/decision_contexts."""
    assigned, contexts = graph.key("coupons", "coupon_assignments"), graph.key("coupons", "decision_contexts")
    inputs = {name: graph.key("features", name) for name in ("household", "coupon", "pair")}
    inputs["candidates"] = graph.key("coupons", "candidates")
    champion = graph.key("models", "champion")

    @dg.multi_asset(
        name="decisions",
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins={name: dg.AssetIn(key) for name, key in inputs.items()},
        specs=[
            dg.AssetSpec(
                key,
                deps=[champion, *inputs.values()],
                group_name="coupons",
                kinds={"parquet"},
                owners=OWNERS,
                description=text,
            )
            for key, text in (
                (assigned, "The coupons that the budget buys: one decision record each."),
                (contexts, "What each decided household could have got, and what the policy chose for it."),
            )
        ],
    )
    def assign(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Pipeline],
        household: Weekly,
        coupon: Weekly,
        pair: Weekly,
        candidates: Weekly,
    ) -> Iterator[dg.MaterializeResult]:
        store = pipeline.store
        with plain_failures():
            model = training.champion(Registry(pipeline.settings), REDEMPTION)
            for week in context.partition_keys:
                rows = assemble(Blocks(household[week], coupon[week], pair[week]), REDEMPTION)
                decided = decide(candidates[week], score(model, rows), pipeline.terms)
                stamp = stamp_of(pipeline, week, model, decided)
                digest = Digests(pipeline).decisions(week, model.digest)
                for key, make in ((assigned, record.assignments), (contexts, record.contexts)):
                    found = make(candidates[week], decided, stamp)
                    store.write("coupons", key.path[-1], week, found, digest)
                    told = facts(store, "coupons", key.path[-1], week, found.num_rows) | _money(pipeline, decided)
                    context.add_asset_metadata(told, asset_key=key, partition_key=week)
        yield from (dg.MaterializeResult(asset_key=key) for key in (assigned, contexts))

    return assign


def score(model: Entry, rows: pa.Table) -> np.ndarray:
    """P(redeemed) of assembled rows by the same tree walk that the service answers with, float64 [n]."""
    return probability(parse(model.text).raw(matrix(rows, REDEMPTION)))


def stamp_of(pipeline: Pipeline, week: str, model: Entry, decided: Decisions) -> record.Stamp:
    """What all decision records of a cycle share."""
    cycle = date.fromisoformat(week)
    version = pipeline.terms.version(model.feature_hash, model.digest)
    return record.Stamp(
        source=pipeline.source.name,
        cycle=cycle,
        decided_at=pipeline.source.calendar.decision_time(week),
        for_week=cycle + WEEK,
        policy_version=version,
        prices_version=fingerprint(week, version, decided.price)[:12],
        model_version=model.version,
        feature_hash=model.feature_hash,
        assumptions=tuple(sorted(pipeline.source.assumptions)),
    )


def _money(pipeline: Pipeline, decided: Decisions) -> dict[str, float | str]:
    return {
        "expected_cost_cents": decided.spent_cents,
        "budget_cents": pipeline.terms.budget_cents,
        "price_of_budget": decided.price,
        "currency": pipeline.source.currency,
    }
