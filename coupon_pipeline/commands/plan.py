"""What of a whole run is stale: weeks to land and validate, the model, the last cycle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from assets.digests import DECISION_TABLES, FEATURE_TABLES, ISSUES, Digests
from assets.pipeline import Pipeline
from models import training
from models.registry import Registry, RegistryError

from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.snapshot.bundle import BadBundleError, open_bundle
from coupon_pipeline.sources.ledgered import there_is_a_ledger


@dataclass(frozen=True)
class Backfill:
    """Tables and the range of weeks that they have to be landed and validated for."""

    tables: tuple[str, ...]
    weeks: tuple[str, ...]


def stale_tables(pipeline: Pipeline, weeks: Sequence[str], force: bool = False) -> Backfill | None:
    """The smallest range that covers what is stale, or None."""
    digests = Digests(pipeline, planned=True)
    stale = {
        table: [week for week in weeks if force or _is_stale(digests, table, week)]
        for table in pipeline.source.tables()
    }
    found = sorted({week for weeks in stale.values() for week in weeks})
    if not found:
        return None
    return Backfill(
        tuple(table for table, weeks in stale.items() if weeks), pipeline.source.calendar.between(found[0], found[-1])
    )


def _is_stale(digests: Digests, table: str, week: str) -> bool:
    return digests.found("raw", table, week) != digests.raw(table, week) or not digests.is_judged(table, week)


def model_is_stale(pipeline: Pipeline) -> bool:
    """Whether the registered model was trained on other rows, by another recipe or by other code than now."""
    try:
        trained = training.last_trained(pipeline.store)
        Registry(pipeline.settings).entry(trained.version)
    except RegistryError:
        return True
    parts = training.development_split(pipeline.store, pipeline.plan)
    return trained.fingerprint != training.fingerprint_of(pipeline.store, parts, REDEMPTION, pipeline.recipe)


def cycle_is_stale(pipeline: Pipeline, week: str) -> bool:
    """Whether anything of a cycle is missing or was made from other inputs than the present ones."""
    if stale_tables(pipeline, [week]) is not None:
        return True
    digests = Digests(pipeline, planned=True)
    champion = training.champion(Registry(pipeline.settings), REDEMPTION)
    expected = {("coupons", "candidates"): digests.candidates(week)}
    expected |= {("features", table): digests.features(week) for table in FEATURE_TABLES}
    expected |= {("coupons", table): digests.decisions(week, champion.digest) for table in DECISION_TABLES}
    expected[ISSUES] = digests.issues(week, champion.digest)
    expected["serving", "snapshot"] = digests.snapshot(week, champion.digest)
    if any(digests.found(*key, week) != digest for key, digest in expected.items()):
        return True
    if not there_is_a_ledger(pipeline.settings):
        return True
    [published] = pipeline.store.read("serving", "snapshot", week)["bundle_version"].to_pylist()
    try:
        return open_bundle(pipeline.settings.bundles).version != published
    except BadBundleError:
        return True
