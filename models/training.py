"""Trains and tests the redemption model of one source: fit, measure, log, register, and let the gates decide."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from models import dataset, gates, redemption
from models.campaigns import Campaign, CampaignError, announced, closed_before, find, first_sale, refuse_locked
from models.registry import Entry, Registry, RegistryError
from models.report import Report, measure

from coupon_pipeline.evaluation import calibration, plots
from coupon_pipeline.evaluation.canaries import Canaries
from coupon_pipeline.features.feature import FeatureSet
from coupon_pipeline.files import write_text
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.sources.source import EvaluationPlan
from coupon_pipeline.tables import AsOf, Store


@dataclass(frozen=True)
class Split:
    """The campaigns that test a model together, and those it learns from: all that had closed before the first test.

    Raises CampaignError for a training campaign that was still open then: no metric would show it.
    """

    test: tuple[Campaign, ...]
    training: tuple[Campaign, ...]

    def __post_init__(self) -> None:
        first = self.first_test
        for campaign in self.training:
            if campaign.ends_on >= first.starts_on:
                raise CampaignError(
                    f"campaign {campaign.campaign_id} ends on {campaign.ends_on}, not before the test campaign "
                    f"{first.campaign_id} starts on {first.starts_on}: its labels leak, leave it out"
                )

    @property
    def first_test(self) -> Campaign:
        """The test campaign that starts first."""
        return min(self.test, key=lambda campaign: (campaign.starts_on, campaign.campaign_id))

    @property
    def test_ids(self) -> list[int]:
        """The ids of the test campaigns, by start."""
        return [campaign.campaign_id for campaign in self.test]


def split(store: Store, campaign_id: int) -> Split:
    """The split that tests on one campaign; raises CampaignError."""
    latest = store.as_of(store.calendar.decision_time(store.latest("clean", "campaigns")))
    return _tested_on(store, (find(announced(latest), campaign_id),))


def latest_split(store: Store, count: int, locked_from: date | None) -> Split:
    """The split that tests on the newest `count` campaigns that closed before the last week of the calendar began.

    A cycle of that week decides with a model that was trained before the week was landed. Locked campaigns are passed
    over. Raises CampaignError if too few have closed.
    """
    today = date.fromisoformat(store.calendar.weeks[-1])
    known = store.as_of(store.calendar.midnight(today))
    closed = closed_before(_usable(store, known), today, first_sale(known))
    free = [campaign for campaign in closed if locked_from is None or campaign.starts_on < locked_from]
    if not free:
        raise CampaignError(f"every campaign that closed before {today} is locked from {locked_from} on: none can test")
    return _tested_on(store, tuple(free[-count:]))


def development_split(store: Store, plan: EvaluationPlan) -> Split:
    """The split that the plan tests on; raises CampaignError if it touches a locked campaign."""
    if plan.test_campaign is not None:
        found = split(store, plan.test_campaign)
    elif plan.latest_campaigns:
        found = latest_split(store, plan.latest_campaigns, plan.locked_from)
    else:
        raise CampaignError(
            "nothing says which campaigns test a model: set COUPON_TEST_CAMPAIGN, or latest_campaigns in the source's "
            "evaluation"
        )
    if plan.locked_from is not None:
        refuse_locked([*found.test, *found.training], plan.locked_from)
    return found


def _tested_on(store: Store, test: tuple[Campaign, ...]) -> Split:
    first = min(campaign.starts_on for campaign in test)
    known = store.as_of(store.calendar.midnight(first))
    return Split(test, closed_before(_usable(store, known), first, first_sale(known)))


def _usable(store: Store, known: AsOf) -> list[Campaign]:
    """The announced campaigns; where the source tells who was issued what, those of which anything was issued."""
    campaigns = announced(known)
    issued = dataset.issuing(known) if dataset.tells_issues(store) else campaigns.keys()
    return [campaign for campaign in campaigns.values() if campaign.campaign_id in issued]


def training_rows(store: Store, campaigns: tuple[Campaign, ...], features: FeatureSet) -> pa.Table:
    """Labelled rows of closed campaigns, ordered by campaign, household and coupon."""
    ordered = sorted(campaigns, key=lambda campaign: campaign.campaign_id)
    return pa.concat_tables([dataset.load(store, campaign, features) for campaign in ordered]).combine_chunks()


def fingerprint_of(store: Store, parts: Split, features: FeatureSet, recipe: redemption.Recipe) -> str:
    """Digest of all that a training is made from: rows, recipe and code."""
    rows = [dataset.digest_of(store, campaign, features) for campaign in (*parts.training, *parts.test)]
    code = code_of("models", "coupon_pipeline.evaluation")
    return fingerprint(rows, asdict(recipe), redemption.PARAMETERS, code)


@dataclass(frozen=True)
class Trained:
    """A registered model with how it did, as kept beside the data for steps that come later."""

    version: str
    run_id: str
    digest: str
    fingerprint: str
    training_positives: int
    metrics: dict[str, dict[str, float]]
    test_campaigns: list[int] = field(default_factory=list)


def trained_path(store: Store) -> Path:
    """Where the last training is noted."""
    return store.root / "models" / "redemption.json"


def last_trained(store: Store) -> Trained:
    """The last training; raises RegistryError before the first."""
    path = trained_path(store)
    if not path.exists():
        raise RegistryError(f"no model was trained yet ({path} is missing): run the job `train`, or `make run`")
    return Trained(**json.loads(path.read_text(encoding="utf-8")))


def train(
    store: Store,
    registry: Registry,
    parts: Split,
    features: FeatureSet,
    recipe: redemption.Recipe,
    tags: dict[str, str],
) -> tuple[Trained, Report]:
    """Fit on the training campaigns, measure on the test campaigns, log the run and register the very same model."""
    rows, test = training_rows(store, parts.training, features), training_rows(store, parts.test, features)
    text = redemption.fit(rows, features, recipe)
    probability = redemption.probabilities(redemption.load(text, features), test, features)
    report = measure(test, probability)
    mark = fingerprint_of(store, parts, features, recipe)
    positives = int(np.sum(rows["label"].to_numpy()))
    data = _data_facts(parts, rows, test, features)
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), report, {**data, "fingerprint": mark})
        entry = registry.log(
            text,
            features,
            redemption.matrix(test.slice(0, 2), features),
            {**redemption.PARAMETERS, **asdict(recipe), "training_campaigns": data["training_campaigns"]},
            flat_metrics(report),
            {**tags, "data_fingerprint": mark, "test_campaigns": ", ".join(map(str, parts.test_ids))},
            Path(folder),
        )
    metrics = {name: dict(found) for name, found in report.metrics.items()}
    trained = Trained(entry.version, entry.run_id, entry.digest, mark, positives, metrics, parts.test_ids)
    write_text(trained_path(store), json.dumps(asdict(trained), indent=2, sort_keys=True) + "\n")
    return trained, report


def gate(
    store: Store, registry: Registry, parts: Split, plan: EvaluationPlan, features: FeatureSet, trained: Trained
) -> list[gates.Gate]:
    """Judge the registered model on the test campaigns and promote it if every gate is passed.

    The scores come from the stored artefact, so the gates see what would be served. A model that is the champion byte
    for byte has nothing to prove and changes nothing.
    """
    challenger, current = registry.entry(trained.version), registry.champion()
    if current is not None and current.digest == challenger.digest:
        return [gates.Gate("same_model", True, f"the champion, version {current.version}, is the same model")]
    test = training_rows(store, parts.test, features)
    probability = redemption.probabilities(redemption.load(challenger.text, features), test, features)
    report = measure(test, probability, _rival_scores(current, test, features))
    canaries = Canaries(plan.fail_above, plan.explain_above)
    found = gates.judged(report, trained.training_positives, canaries, plan.compared_on)
    registry.tag(
        trained.version, {f"gate.{g.name}": f"{'passed' if g.passed else 'failed'}: {g.finding}" for g in found}
    )
    if gates.passed(found):
        registry.promote(trained.version)
    return found


def _rival_scores(current: Entry | None, test: pa.Table, features: FeatureSet) -> np.ndarray | None:
    """Scores of the champion, if there is one that sees these features."""
    if current is None or current.feature_hash != features.hash:
        return None
    return redemption.probabilities(redemption.load(current.text, features), test, features)


def refusal(trained: Trained, found: list[gates.Gate]) -> str:
    """Why a model did not become the champion, as one line."""
    failed = "; ".join(f"{g.name}: {g.finding}" for g in found if not g.passed)
    return f"version {trained.version} is registered but not promoted; the champion stays. {failed}"


def champion(registry: Registry, features: FeatureSet) -> Entry:
    """The champion; raises RegistryError if there is none or it was trained on other features."""
    found = registry.champion()
    if found is None:
        raise RegistryError(f"{registry.name} has no champion yet: run the job `train`, or `make run`")
    if found.feature_hash != features.hash:
        raise RegistryError(
            f"the champion of {registry.name} (version {found.version}) was trained on other features than the set "
            f"{features.name!r}: run the job `train`"
        )
    return found


def flat_metrics(report: Report) -> dict[str, float]:
    """Metrics by name for MLflow: the model's own as they are, the others' as `<model>/<metric>`."""
    others = {f"{name}/{key}": value for name, found in report.metrics.items() for key, value in found.items()}
    return {key.removeprefix("redemption/"): value for key, value in others.items()}


def write_files(folder: Path, report: Report, facts: dict[str, Any]) -> None:
    """Plots and the data's facts, as the artefacts of a run."""
    probability = report.scores["redemption"]
    shared = set.intersection(*(set(found) for found in report.metrics.values()))
    compared = {
        name: {key: value for key, value in found.items() if key in shared} for name, found in report.metrics.items()
    }
    plots.save(plots.reliability(calibration.reliability(report.labels, probability)), folder / "reliability.png")
    plots.save(plots.gains(report.labels, report.scores), folder / "gains.png")
    plots.save(plots.comparison(compared), folder / "comparison.png")
    write_text(folder / "data.json", json.dumps(facts, indent=2, sort_keys=True) + "\n")


def _data_facts(parts: Split, rows: pa.Table, test: pa.Table, features: FeatureSet) -> dict[str, Any]:
    def facts(table: pa.Table) -> dict[str, int]:
        return {"rows": table.num_rows, "positives": int(np.sum(table["label"].to_numpy()))}

    return {
        "training_campaigns": sorted(campaign.campaign_id for campaign in parts.training),
        "test_campaigns": parts.test_ids,
        "training": facts(rows),
        "test": facts(test),
        "feature_set": features.name,
        "feature_hash": features.hash,
        "known_before": str(parts.first_test.starts_on),
    }
