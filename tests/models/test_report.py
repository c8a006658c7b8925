"""A report measures the model, the baselines and the champion on the same labelled pairs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from models.baselines import BASELINES
from models.report import CHAMPION, MODEL, RESAMPLES, Report, measure
from tests.models.rows import Offered, offered

from coupon_pipeline.evaluation import calibration, ranking
from coupon_pipeline.evaluation.bootstrap import METRICS


@cache
def campaign() -> Offered:
    return offered(households=80, coupons=20, intercept=-3)


@cache
def report() -> Report:
    return measure(campaign().rows, campaign().truth, champion=campaign().truth / 2)


def test_the_model_the_baselines_and_the_champion_are_scored() -> None:
    assert list(report().scores) == [MODEL, *BASELINES, CHAMPION]
    assert report().metrics.keys() == report().scores.keys()


def test_without_a_champion_there_is_nothing_to_compare_it_with() -> None:
    assert CHAMPION not in measure(campaign().rows, campaign().truth).scores


def test_the_models_metrics_are_those_of_its_probabilities_on_these_pairs() -> None:
    table, truth = campaign().rows, campaign().truth
    ids = table["household_id"].to_numpy(), table["coupon_id"].to_numpy()
    expected = ranking.metrics(*ids, campaign().labels, truth) | calibration.metrics(campaign().labels, truth)
    assert report().of_model == expected


def test_a_baseline_is_measured_by_its_own_scores() -> None:
    table = campaign().rows
    ids = table["household_id"].to_numpy(), table["coupon_id"].to_numpy()
    for name, rule in BASELINES.items():
        assert report().metrics[name] == ranking.metrics(*ids, campaign().labels, rule(table))


def test_only_probabilities_are_judged_for_calibration() -> None:
    judged = {name for name, found in report().metrics.items() if "predicted_over_observed" in found}
    assert judged == {MODEL, CHAMPION}


def test_half_the_probability_is_half_the_redemptions_in_the_same_order() -> None:
    model, champion = report().of_model, report().metrics[CHAMPION]
    assert champion["predicted_over_observed"] == pytest.approx(model["predicted_over_observed"] / 2)
    assert champion["auc"] == model["auc"]


def test_differences_are_paired_by_household_with_the_model_as_the_reference() -> None:
    comparison = report().comparison
    assert comparison.reference == MODEL
    for metric in METRICS:
        assert comparison.draws[MODEL][metric].shape == (RESAMPLES,)
        assert not comparison.differences(CHAMPION, metric).any()
        assert np.median(comparison.differences("popularity", metric)) > 0


def test_the_same_rows_give_the_same_report() -> None:
    again = measure(campaign().rows, campaign().truth, champion=campaign().truth / 2)
    assert again.metrics == report().metrics
    assert again.comparison.interval(MODEL, "ap") == report().comparison.interval(MODEL, "ap")
