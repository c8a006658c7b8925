"""`make evaluate`: fit on what had closed before a campaign, score that campaign, register nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console

from assets.pipeline import Pipeline
from models import dataset, redemption, training
from models.campaigns import Campaign, refuse_locked
from models.gates import CALIBRATION
from models.report import measure

from coupon_pipeline.commands.outcome import Outcome, print_table, write_json
from coupon_pipeline.features.sets import REDEMPTION
from coupon_pipeline.files import replacing


def evaluate(pipeline: Pipeline, campaign_id: int | None, seeds: int, scores: Path | None, console: Console) -> bool:
    """Print how the recipe does on a campaign, mean over seeds; returns whether every bar holds.

    Without a campaign it is the plan's test campaign, which has bars; a campaign that is named may be a locked one.
    `scores` gets one row per pair (household_id, campaign_id, upc, probability), as CSV or Parquet by its suffix.
    """
    parts = training.split(pipeline.store, campaign_id or pipeline.plan.test_campaign)
    if campaign_id is None:
        refuse_locked([parts.test, *parts.training], pipeline.plan.locked_from)
    console.print(
        f"campaign {parts.test.campaign_id}, fitted on {', '.join(str(c.campaign_id) for c in parts.training)}",
        highlight=False,
    )
    rows = training.training_rows(pipeline.store, parts.training, REDEMPTION)
    closed = dataset.is_closed(pipeline.store, parts.test)
    test = (dataset.load if closed else dataset.features_of)(pipeline.store, parts.test, REDEMPTION)
    probabilities = [probability_of(pipeline, rows, test, seed) for seed in range(seeds)]
    if scores is not None:
        write_scores(scores, pipeline, parts.test, test, probabilities[0])
        console.print(f"{test.num_rows:,} scores (seed 0) in {scores}", highlight=False)
    if not closed:
        console.print(f"no metrics: the campaign ends on {parts.test.ends_on}, after the last week of the data")
        return True
    is_development = parts.test.campaign_id == pipeline.source.plan.test_campaign
    outcomes = outcomes_of(pipeline, test, probabilities, is_development)
    print_table(f"Mean over {seeds} seeds, the affinity rule as the baseline", outcomes, console)
    write_json("evaluate", outcomes)
    return all(outcome.passed is not False for outcome in outcomes)


def probability_of(pipeline: Pipeline, rows: pa.Table, test: pa.Table, seed: int) -> np.ndarray:
    """P(redeemed) of test rows by the recipe with another seed, fitted on rows."""
    text = redemption.fit(rows, REDEMPTION, replace(pipeline.recipe, seed=seed))
    return redemption.probabilities(redemption.load(text, REDEMPTION), test, REDEMPTION)


def outcomes_of(pipeline: Pipeline, test: pa.Table, probabilities: list[np.ndarray], with_bars: bool) -> list[Outcome]:
    """Mean metrics over seeds; on the development split with their bars and the bounds that only a leak reaches."""
    reports = [measure(test, probability) for probability in probabilities]
    affinity = reports[0].metrics["affinity"]
    means = {name: float(np.mean([r.of_model[name] for r in reports])) for name in reports[0].of_model}
    plan, (low, high) = pipeline.plan, CALIBRATION
    floors = {**plan.at_least, "predicted_over_observed": low} if with_bars else {}
    outcomes = [
        Outcome(name, value, "", affinity.get(name), ">=" if name in floors else None, floors.get(name))
        for name, value in means.items()
    ]
    if not with_bars:
        return outcomes
    ceilings = {"predicted_over_observed": high, **plan.fail_above}
    return outcomes + [Outcome(name, means[name], "", None, "<=", bar) for name, bar in ceilings.items()]


def write_scores(path: Path, pipeline: Pipeline, campaign: Campaign, test: pa.Table, probability: np.ndarray) -> None:
    """Write one row per pair of a campaign: household_id, campaign_id, upc, probability."""
    as_of = pipeline.store.as_of(pipeline.store.calendar.midnight(campaign.starts_on))
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
