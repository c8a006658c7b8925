"""`make evaluate`: fit on what had closed before some campaigns, score those campaigns, register nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console

from assets.pipeline import Pipeline
from models import dataset, redemption, training
from models.campaigns import Campaign, CampaignError, named
from models.gates import CALIBRATION
from models.report import measure

from coupon_pipeline.commands.outcome import Outcome, print_table, write_json
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.files import replacing
from coupon_pipeline.sources.source import EvaluationPlan
from coupon_pipeline.tables import Store


def evaluate(pipeline: Pipeline, campaign_id: int | None, seeds: int, scores: Path | None, console: Console) -> bool:
    """Print how the recipe does on a campaign, mean over seeds; returns whether every bar holds.

    Without a campaign it is what the plan tests on, with the plan's bars; a campaign that is named may be a locked one.
    `scores` gets one row per pair (household_id, campaign_id, upc, probability), as CSV or Parquet by its suffix.
    """
    store, plan = pipeline.store, pipeline.plan
    parts = training.development_split(store, plan) if campaign_id is None else training.split(store, campaign_id)
    training_ids = [campaign.campaign_id for campaign in parts.training]
    console.print(f"{named(parts.test_ids)}, fitted on {named(training_ids)}", highlight=False)
    rows = training.training_rows(store, parts.training, REDEMPTION)
    closed = all(dataset.is_closed(store, campaign) for campaign in parts.test)
    # Only a campaign that is named can be open, and then it is the only one.
    test = training.training_rows(store, parts.test, REDEMPTION) if closed else open_rows(store, parts.test[0])
    if not test.num_rows:
        raise CampaignError(f"{named(parts.test_ids)} has issued nothing so far: there is nothing to score")
    probabilities = [probability_of(pipeline, rows, test, seed) for seed in range(seeds)]
    if scores is not None:
        write_scores(scores, store, parts.test, test, probabilities[0])
        console.print(f"{test.num_rows:,} scores (seed 0) in {scores}", highlight=False)
    if not closed:
        console.print(f"no metrics: the campaign ends on {parts.test[0].ends_on}, after the last week of the data")
        return True
    outcomes = outcomes_of(plan, test, probabilities, has_bars(pipeline, campaign_id))
    print_table(f"Mean over {seeds} seeds, the affinity rule as the baseline", outcomes, console)
    write_json("evaluate", outcomes)
    return all(outcome.passed is not False for outcome in outcomes)


def open_rows(store: Store, campaign: Campaign) -> pa.Table:
    """Rows of a campaign whose labels are not final, without labels."""
    return dataset.features_of(store, campaign, REDEMPTION)


def has_bars(pipeline: Pipeline, campaign_id: int | None) -> bool:
    """Whether the campaign that is named, or else what is tested on by default, is what the source has bars for."""
    given = pipeline.source.plan
    asked = pipeline.plan.test_campaign if campaign_id is None else campaign_id
    return asked == given.test_campaign and bool(given.at_least or given.fail_above)


def probability_of(pipeline: Pipeline, rows: pa.Table, test: pa.Table, seed: int) -> np.ndarray:
    """P(redeemed) of test rows by the recipe with another seed, fitted on rows."""
    text = redemption.fit(rows, REDEMPTION, replace(pipeline.recipe, seed=seed))
    return redemption.probabilities(redemption.load(text, REDEMPTION), test, REDEMPTION)


def outcomes_of(
    plan: EvaluationPlan, test: pa.Table, probabilities: list[np.ndarray], with_bars: bool
) -> list[Outcome]:
    """Mean metrics over seeds; with the plan's bars also the bounds that only a leak reaches."""
    reports = [measure(test, probability) for probability in probabilities]
    affinity = reports[0].metrics["affinity"]
    means = {name: float(np.mean([r.of_model[name] for r in reports])) for name in reports[0].of_model}
    low, high = CALIBRATION
    floors = {**plan.at_least, "predicted_over_observed": low} if with_bars else {}
    outcomes = [
        Outcome(name, value, "", affinity.get(name), ">=" if name in floors else None, floors.get(name))
        for name, value in means.items()
    ]
    if not with_bars:
        return outcomes
    ceilings = {"predicted_over_observed": high, **plan.fail_above}
    return outcomes + [Outcome(name, means[name], "", None, "<=", bar) for name, bar in ceilings.items()]


def write_scores(
    path: Path, store: Store, campaigns: Sequence[Campaign], test: pa.Table, probability: np.ndarray
) -> None:
    """Write one row per pair of the campaigns: household_id, campaign_id, upc, probability."""
    as_of = store.as_of(store.calendar.midnight(max(campaign.starts_on for campaign in campaigns)))
    coupons = as_of.state("coupons").select("coupon_id", "upc").order_by("coupon_id").to_pyarrow()
    positions = np.searchsorted(coupons["coupon_id"].to_numpy(), test["coupon_id"].to_numpy())
    table = pa.table(
        {
            "household_id": test["household_id"],
            "campaign_id": test["campaign_id"],
            "upc": coupons["upc"].take(pa.array(positions)),
            "probability": probability,
        }
    )
    with replacing(path) as temporary:
        if path.suffix == ".parquet":
            pq.write_table(table, temporary)
        else:
            pyarrow.csv.write_csv(table, temporary)
