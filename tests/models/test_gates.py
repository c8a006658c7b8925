"""A model becomes champion only if it learned enough, means what it says and beats what is there, without a leak."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from models.baselines import BASELINES
from models.gates import (
    CALIBRATION,
    MIN_POSITIVES,
    TOLERATED_LOSS,
    Gate,
    beats,
    calibrated,
    enough,
    judged,
    not_worse_than_champion,
    passed,
)
from models.report import Report, measure
from tests.models.rows import Offered, offered

from coupon_pipeline.evaluation.bootstrap import METRICS, lower_bound
from coupon_pipeline.evaluation.canaries import Canaries
from coupon_pipeline.sources.source import EvaluationPlan

CANARIES = Canaries(fail={"auc": 0.97, "ap": 0.8}, explain={"auc": 0.96, "ap": 0.7})
ALL = ["enough_positives", "calibrated", *(f"beats_{name}" for name in BASELINES), "not_worse_than_champion", "no_leak"]


@cache
def campaign() -> Offered:
    return offered(households=200, coupons=40, intercept=-4)


def blurred(noise: float) -> np.ndarray:
    """The true probabilities with log-normal noise, scaled back to their sum."""
    shaken = campaign().truth * np.exp(noise * np.random.default_rng(1).normal(size=len(campaign().truth)))
    return np.clip(shaken * campaign().labels.sum() / shaken.sum(), 0, 1)


def scaled(ratio: float) -> np.ndarray:
    """Probabilities in the order of the truth whose sum is `ratio` times the redemptions."""
    # Shifted log-odds keep the order, which clipped probabilities would not.
    wanted, low, high = ratio * campaign().labels.sum(), -10.0, 10.0
    logit = np.log(campaign().truth / (1 - campaign().truth))
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if (1 / (1 + np.exp(-logit - middle))).sum() < wanted else (low, middle)
    return 1 / (1 + np.exp(-logit - low))


def between_households_at_random() -> np.ndarray:
    """Each household's own order as the truth has it, and so its NDCG, but households no longer compare."""
    shift = np.random.default_rng(3).normal(scale=4, size=200)[campaign().rows["household_id"].to_numpy() - 1]
    return 1 / (1 + np.exp(-np.log(campaign().truth / (1 - campaign().truth)) - shift))


def found(report: Report, positives: int = 500, canaries: Canaries = CANARIES) -> dict[str, Gate]:
    return {gate.name: gate for gate in judged(report, positives, canaries)}


def failed(gates: dict[str, Gate]) -> set[str]:
    return {name for name, gate in gates.items() if not gate.passed}


@cache
def good() -> Report:
    return measure(campaign().rows, campaign().truth)


def test_a_model_that_knows_more_than_every_rule_passes_every_gate() -> None:
    gates = found(good())
    assert list(gates) == ALL
    assert failed(gates) == set()
    assert passed(list(gates.values()))


def test_scores_without_information_lose_to_the_baselines() -> None:
    shuffled = np.random.default_rng(0).permutation(campaign().truth)
    gates = found(measure(campaign().rows, shuffled))
    assert failed(gates) == {f"beats_{name}" for name in BASELINES}
    assert not passed(list(gates.values()))


def test_the_order_of_a_baseline_is_not_better_than_that_baseline() -> None:
    affinity = good().scores["affinity"]
    copied = np.sort(campaign().truth)[np.argsort(np.argsort(affinity, kind="stable"), kind="stable")]
    assert "beats_affinity" in failed(found(measure(campaign().rows, copied)))


def test_a_baseline_must_be_beaten_on_every_metric() -> None:
    report = measure(campaign().rows, between_households_at_random())
    better = {m for m in METRICS if lower_bound(report.comparison.differences("affinity", m)) > 0}
    assert better == {"ndcg_at_16"}
    assert not found(report)["beats_affinity"].passed


def test_one_metric_that_falls_behind_the_champion_is_enough_to_fail() -> None:
    report = measure(campaign().rows, between_households_at_random(), champion=campaign().truth)
    assert not report.comparison.differences("champion", "ndcg_at_16").any()
    assert not found(report)["not_worse_than_champion"].passed


def test_only_the_metrics_that_the_plan_compares_on_count() -> None:
    report = measure(campaign().rows, between_households_at_random(), champion=campaign().truth)
    assert not beats(report, "affinity").passed
    assert beats(report, "affinity", ["ndcg_at_16"]).passed
    assert not not_worse_than_champion(report).passed
    assert not_worse_than_champion(report, ["ndcg_at_16"]).passed
    by_rank_alone = {gate.name: gate for gate in judged(report, 500, CANARIES, ["ndcg_at_16"])}
    assert by_rank_alone["beats_affinity"].finding.startswith("at least ndcg_at_16 ")


def test_a_plan_compares_on_every_metric_that_can_be_resampled_unless_it_says_otherwise() -> None:
    assert EvaluationPlan().compared_on == METRICS


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_probabilities_that_promise_too_much_or_too_little_fail_calibration_alone(factor: float) -> None:
    assert failed(found(measure(campaign().rows, scaled(factor)))) == {"calibrated"}


@pytest.mark.parametrize(
    ("ratio", "fits"),
    [
        (CALIBRATION[0] - 0.01, False),
        (CALIBRATION[0] + 0.01, True),
        (CALIBRATION[1] - 0.01, True),
        (CALIBRATION[1] + 0.01, False),
    ],
)
def test_calibration_has_two_bounds(ratio: float, fits: bool) -> None:
    gate = calibrated(measure(campaign().rows, scaled(ratio)))
    assert gate.passed is fits
    assert gate.finding.startswith(f"predicted / observed {ratio:.3f}; ")


def test_a_perfect_score_is_taken_for_a_leak_and_a_suspect_is_named() -> None:
    perfect = np.where(campaign().labels == 1, 0.99, 0.0005)
    gates = found(measure(campaign().rows, perfect))
    assert failed(gates) == {"no_leak"}
    assert "auc is 1.0000, above 0.97" in gates["no_leak"].finding
    assert "features that read purchases made after the decision time" in gates["no_leak"].finding


def test_a_score_that_a_person_should_explain_is_told_and_passes() -> None:
    gate = found(good(), canaries=Canaries(fail={"auc": 0.99}, explain={"auc": 0.5}))["no_leak"]
    assert gate.passed
    assert "before believing it, rule out" in gate.finding


def test_the_first_model_needs_no_champion() -> None:
    assert found(good())["not_worse_than_champion"] == Gate(
        "not_worse_than_champion", True, "there is no champion with these features yet"
    )


def test_a_model_as_good_as_the_champion_passes() -> None:
    gates = found(measure(campaign().rows, campaign().truth, champion=campaign().truth))
    assert list(gates) == ALL
    assert failed(gates) == set()


def test_a_model_clearly_worse_than_the_champion_fails_though_it_beats_every_rule() -> None:
    gates = found(measure(campaign().rows, blurred(0.8), champion=campaign().truth))
    assert failed(gates) == {"not_worse_than_champion"}


def test_a_loss_within_the_tolerance_is_no_loss() -> None:
    report = measure(campaign().rows, blurred(0.01), champion=campaign().truth)
    bounds = {metric: lower_bound(report.comparison.differences("champion", metric)) for metric in METRICS}
    assert any(-TOLERATED_LOSS[metric] <= bound < 0 for metric, bound in bounds.items())
    assert found(report)["not_worse_than_champion"].passed


@pytest.mark.parametrize(("positives", "fits"), [(MIN_POSITIVES - 1, False), (MIN_POSITIVES, True)])
def test_a_model_needs_enough_redemptions_to_learn_from(positives: int, fits: bool) -> None:
    assert enough(positives).passed is fits
    assert passed(list(found(good(), positives).values())) is fits
    assert enough(positives).finding == f"{positives} redemptions; {MIN_POSITIVES} needed"


def test_a_finding_is_a_row_of_plain_values() -> None:
    assert enough(7).row() == {"name": "enough_positives", "passed": False, "finding": "7 redemptions; 50 needed"}


def test_a_canary_that_cannot_be_read_stops_the_judgement() -> None:
    # One household holds all redemptions and nothing else, so no household has both labels.
    rows = campaign().rows.slice(0, 80)
    labels = (rows["household_id"].to_numpy() == 1).astype(np.int64)
    rows = rows.set_column(rows.column_names.index("label"), "label", [labels])
    with pytest.raises(ValueError, match="metrics has no value for within_household_auc"):
        found(measure(rows, campaign().truth[:80]), canaries=Canaries({"within_household_auc": 0.9}, {}))
