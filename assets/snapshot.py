"""The snapshot: one bundle with all that the service needs to answer for the coming week."""

from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa

from assets.coupons import score, stamp_of
from assets.digests import Digests
from assets.graph import Graph, Weekly, plain_failures
from assets.pipeline import Pipeline
from models import redemption, training
from models.registry import Entry, Registry

from coupon_pipeline.decisions.policy import OBJECTIVE, POLICY, decide, face_to_expect
from coupon_pipeline.features.compute import Blocks, assemble
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.snapshot import forgetting
from coupon_pipeline.snapshot.content import BundleContent
from coupon_pipeline.snapshot.trees import parse
from coupon_pipeline.snapshot.write import write

CANARY_ROWS = 64
POPULAR = 20


def published(graph: Graph) -> dg.AssetsDefinition:
    """The asset serving/snapshot."""
    names = ("household", "coupon", "pair")
    ins = {name: dg.AssetIn(graph.key("features", name)) for name in names}
    ins["candidates"] = dg.AssetIn(graph.key("coupons", "candidates"))

    @dg.asset(
        key=graph.key("serving", "snapshot"),
        partitions_def=graph.weeks,
        backfill_policy=dg.BackfillPolicy.single_run(),
        ins=ins,
        deps=[graph.key("models", "champion"), graph.key("coupons", "coupon_assignments")],
        group_name="serving",
        kinds={"numpy"},
        owners=["team:machine-learning"],
        description="The bundle that the service loads: features, trees, prices, canary rows; a manifest of digests.",
    )
    def publish(
        context: dg.AssetExecutionContext,
        pipeline: dg.ResourceParam[Pipeline],
        household: Weekly,
        coupon: Weekly,
        pair: Weekly,
        candidates: Weekly,
    ) -> None:
        with plain_failures():
            model = training.champion(Registry(pipeline.settings), REDEMPTION)
            for week in context.partition_keys:
                blocks = Blocks(household[week], coupon[week], pair[week])
                version = write(pipeline.settings.bundles, content_of(pipeline, week, blocks, candidates[week], model))
                forgetting.forget(pipeline.settings.bundles, pipeline.store.erased())
                rows = pa.table({"bundle_version": [version]})
                digest = Digests(pipeline).snapshot(week, model.digest)
                pipeline.store.write("serving", "snapshot", week, rows, digest)
                told = {"dagster/row_count": candidates[week].num_rows, "bundle_version": version}
                told |= {"dagster/uri": str(pipeline.settings.bundles / version)}
                context.add_asset_metadata(told, partition_key=week)

    return publish


def content_of(pipeline: Pipeline, week: str, blocks: Blocks, candidates: pa.Table, model: Entry) -> BundleContent:
    """Everything that the bundle of a cycle holds; the same inputs give the same bytes."""
    rows = assemble(blocks, REDEMPTION)
    probability = score(model, rows)
    decided = decide(candidates, probability, pipeline.terms)
    stamp = stamp_of(pipeline, week, model, decided)
    canaries = canary_rows(redemption.matrix(rows, REDEMPTION))
    oracle = redemption.load(model.text, REDEMPTION)
    return BundleContent(
        trees=parse(model.text),
        model_name=model.name,
        model_version=model.version,
        feature_names=REDEMPTION.names,
        feature_hash=REDEMPTION.hash,
        columns=block_columns(),
        **_households(pipeline, week, blocks, candidates),
        **_coupons(pipeline, blocks, candidates),
        **_pairs(blocks, candidates),
        popular=_popular(blocks, candidates, probability),
        canary_features=canaries,
        canary_raw=np.asarray(oracle.predict(canaries, raw_score=True, num_threads=1)),
        price=decided.price,
        max_per_household=pipeline.terms.max_coupons_per_household,
        issue_cost_cents=pipeline.terms.issue_cost_cents,
        objective=OBJECTIVE,
        policy=POLICY,
        policy_version=stamp.policy_version,
        prices_version=stamp.prices_version,
        source=pipeline.source.name,
        timezone=pipeline.source.calendar.timezone,
        clock=pipeline.source.clock,
        week=week,
        for_week=stamp.for_week.isoformat(),
        decided_at=stamp.decided_at.isoformat(),
        assumptions={
            **pipeline.source.assumptions,
            "assumed_face_value_cents": float(pipeline.terms.assumed_face_value_cents),
        },
    )


def block_columns() -> np.ndarray:
    """Positions of the model's features in the household, coupon and pair blocks side by side, int64 [F]."""
    side_by_side = [name for family in ("household", "coupon", "pair") for name in REDEMPTION.of(family)]
    return np.array([side_by_side.index(name) for name in REDEMPTION.names], dtype=np.int64)


def canary_rows(values: np.ndarray) -> np.ndarray:
    """Rows that no household has: each feature is drawn on its own from the real values, float64 [C, F]."""
    draw = np.random.default_rng(0).integers(len(values), size=(CANARY_ROWS, values.shape[1]))
    return np.take_along_axis(values, draw, axis=0)


def _block(table: pa.Table, family: str) -> np.ndarray:
    return np.column_stack([table[name].to_numpy().astype(np.float64) for name in REDEMPTION.of(family)])


def _households(pipeline: Pipeline, week: str, blocks: Blocks, candidates: pa.Table) -> dict[str, Any]:
    as_of = pipeline.store.as_of(pipeline.store.calendar.decision_time(week))
    customers = as_of.state("customers").order_by("household_id").to_pyarrow()
    ids = blocks.households["household_id"].to_numpy()
    may = (
        np.asarray(customers["marketing_consent"].to_numpy(), dtype=bool) & customers["erased_at"].is_null().to_numpy()
    )
    offsets = np.searchsorted(candidates["household_id"].to_numpy(), ids)
    return {
        "household_ids": ids,
        "household_features": _block(blocks.households, "household"),
        "household_consent": may[np.searchsorted(customers["household_id"].to_numpy(), ids)],
        "pair_offsets": np.append(offsets, candidates.num_rows).astype(np.int64),
    }


def _coupons(pipeline: Pipeline, blocks: Blocks, candidates: pa.Table) -> dict[str, Any]:
    ids = blocks.coupons["coupon_id"].to_numpy()
    _, first = np.unique(candidates["coupon_id"].to_numpy(), return_index=True)
    offers = candidates.take(pa.array(first))
    return {
        "coupon_ids": ids,
        "coupon_features": _block(blocks.coupons, "coupon"),
        "coupon_names": tuple(_name(offer, pipeline.source.currency) for offer in offers.to_pylist()),
        "coupon_categories": tuple(offers["category"].to_pylist()),
        "face_value_cents": offers["face_value_cents"].fill_null(-1).to_numpy(),
        "cost_face_cents": face_to_expect(offers["face_value_cents"], pipeline.terms),
        "valid_from": offers["valid_from"].to_numpy().astype("datetime64[D]"),
        "valid_to": offers["valid_to"].to_numpy().astype("datetime64[D]"),
    }


def _name(offer: dict[str, Any], currency: str) -> str:
    """What the coupon says, where the source has no text for it."""
    what = (offer["category"] or "selected products").capitalize()
    items = f"{offer['min_quantity']} × {what}" if offer["min_quantity"] > 1 else what
    face = offer["face_value_cents"]
    return f"Offer on {items}" if face is None else f"{face / 100:.2f} {currency} off {items}"


def _pairs(blocks: Blocks, candidates: pa.Table) -> dict[str, Any]:
    coupons = blocks.coupons["coupon_id"].to_numpy()
    return {
        "pair_coupon": np.searchsorted(coupons, candidates["coupon_id"].to_numpy()).astype(np.int32),
        "pair_features": _block(blocks.pairs, "pair"),
        "pair_eligible": np.asarray(candidates["refused"].is_null().to_numpy(), dtype=bool),
    }


def _popular(blocks: Blocks, candidates: pa.Table, probability: np.ndarray) -> np.ndarray:
    """Coupons by mean redemption probability over the households that they were made for, best first."""
    coupons = blocks.coupons["coupon_id"].to_numpy()
    of = np.searchsorted(coupons, candidates["coupon_id"].to_numpy())
    mean = np.bincount(of, probability, len(coupons)) / np.maximum(np.bincount(of, minlength=len(coupons)), 1)
    return np.lexsort((coupons, -mean))[:POPULAR].astype(np.int32)
