"""What a model must show before it may become the champion: pure functions, one finding each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from models.report import CHAMPION, MODEL, Report

from coupon_pipeline.evaluation.bootstrap import METRICS, lower_bound
from coupon_pipeline.evaluation.canaries import Canaries, judge

MIN_POSITIVES = 50
CALIBRATION = (0.8, 1.25)
"""Bounds of predicted over observed redemptions."""
TOLERATED_LOSS: Mapping[str, float] = {"auc": 0.003, "ap": 0.006, "ndcg_at_16": 0.015}
"""Differences between two similar models below which they mean nothing."""


@dataclass(frozen=True)
class Gate:
    """One finding about a model."""

    name: str
    passed: bool
    finding: str

    def row(self) -> dict[str, object]:
        """The finding as a row of a table or a JSON file."""
        return asdict(self)


def enough(positives: int) -> Gate:
    """There is enough to learn from."""
    return Gate("enough_positives", positives >= MIN_POSITIVES, f"{positives} redemptions; {MIN_POSITIVES} needed")


def calibrated(report: Report) -> Gate:
    """Predicted and observed redemptions agree on the whole."""
    ratio, (low, high) = report.of_model["predicted_over_observed"], CALIBRATION
    return Gate("calibrated", low <= ratio <= high, f"predicted / observed {ratio:.3f}; {low} to {high} allowed")


def beats(report: Report, baseline: str, compared_on: Sequence[str] = METRICS) -> Gate:
    """Better than a baseline on every metric that is compared on, one-sided 95 % by household."""
    bounds = {metric: lower_bound(report.comparison.differences(baseline, metric)) for metric in compared_on}
    text = ", ".join(f"{metric} {bound:+.4f}" for metric, bound in bounds.items())
    return Gate(f"beats_{baseline}", min(bounds.values()) > 0, f"at least {text}; above 0 needed")


def not_worse_than_champion(report: Report, compared_on: Sequence[str] = METRICS) -> Gate:
    """No metric that is compared on is lower than the champion's by more than noise, one-sided 95 % by household."""
    if CHAMPION not in report.scores:
        return Gate("not_worse_than_champion", True, "there is no champion with these features yet")
    bounds = {metric: lower_bound(report.comparison.differences(CHAMPION, metric)) for metric in compared_on}
    text = ", ".join(
        f"{metric} {bound:+.4f} (at most {TOLERATED_LOSS[metric]} lost)" for metric, bound in bounds.items()
    )
    passed = all(bound >= -TOLERATED_LOSS[metric] for metric, bound in bounds.items())
    return Gate("not_worse_than_champion", passed, f"at least {text}")


def no_leak(report: Report, canaries: Canaries) -> Gate:
    """No metric is so good that only a leak explains it; what a person should explain is told, and passes."""
    reached = judge(report.of_model, canaries)
    finding = "; ".join(canary.message for canary in reached) or "all watched metrics are below their bounds"
    return Gate("no_leak", all(canary.level != "fail" for canary in reached), finding)


def judged(
    report: Report, training_positives: int, canaries: Canaries, compared_on: Sequence[str] = METRICS
) -> list[Gate]:
    """All gates, cheapest first; `compared_on` holds at least one of the metrics that can be resampled."""
    return [
        enough(training_positives),
        calibrated(report),
        *(beats(report, name, compared_on) for name in report.scores if name not in {MODEL, CHAMPION}),
        not_worse_than_champion(report, compared_on),
        no_leak(report, canaries),
    ]


def passed(gates: Sequence[Gate]) -> bool:
    """Whether the model may become the champion."""
    return all(gate.passed for gate in gates)
