"""Bounds that tell a leak from a good model."""

from __future__ import annotations

import math

import pytest

from coupon_pipeline.evaluation.canaries import SUSPECTS, Canaries, Reached, judge
from coupon_pipeline.evaluation.ranking import metrics

CANARIES = Canaries(fail={"auc": 0.9, "ap": 0.5}, explain={"auc": 0.8, "ndcg_at_16": 0.6})


def test_an_honest_model_reaches_nothing() -> None:
    assert judge({"auc": 0.7, "ap": 0.1, "ndcg_at_16": 0.3}, CANARIES) == []


def test_a_value_on_its_bound_is_not_above_it() -> None:
    assert judge({"auc": 0.8, "ap": 0.5, "ndcg_at_16": 0.6}, CANARIES) == []


def test_each_metric_is_reported_once_at_its_worst_level() -> None:
    reached = judge({"ndcg_at_16": 0.7, "auc": 0.95, "ap": 0.1}, CANARIES)
    assert reached == [Reached("auc", 0.95, 0.9, "fail"), Reached("ndcg_at_16", 0.7, 0.6, "explain")]


def test_between_the_bounds_a_person_has_to_explain() -> None:
    assert judge({"auc": 0.85, "ap": 0.1, "ndcg_at_16": 0.3}, CANARIES) == [Reached("auc", 0.85, 0.8, "explain")]


def test_metrics_without_a_bound_are_not_judged() -> None:
    assert judge({"auc": 0.7, "ap": 0.1, "ndcg_at_16": 0.3, "per_coupon_auc": 1.0}, CANARIES) == []


@pytest.mark.parametrize("lost", [{}, {"ap": math.nan}])
def test_a_canary_that_cannot_be_read_is_an_error(lost: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="metrics has no value for ap"):
        judge({"auc": 0.7, "ndcg_at_16": 0.3} | lost, CANARIES)


@pytest.mark.parametrize("metric", SUSPECTS)
def test_each_message_names_the_metric_the_numbers_and_every_suspect(metric: str) -> None:
    message = Reached(metric, 0.98765, 0.96, "fail").message
    assert message.startswith(f"{metric} is 0.9877, above 0.96, ")
    assert "refuse the model" in message
    assert all(suspect in message for suspect in SUSPECTS[metric])


def test_redemptions_without_a_date_are_suspected_where_that_leak_shows() -> None:
    undated = "a household's redemptions counted without a date filter"
    suspected = {metric for metric in SUSPECTS if undated in Reached(metric, 1.0, 0.9, "explain").message}
    assert suspected == {"auc", "ap", "per_coupon_auc", "household_any_auc"}


def test_every_watched_metric_is_one_that_ranking_measures() -> None:
    assert set(SUSPECTS) < set(metrics([1, 1], [1, 2], [0, 1], [0.1, 0.2]))


@pytest.mark.parametrize(
    ("fail", "explain", "message"),
    [
        ({"acu": 0.9}, {}, "canary 'acu' is no watched metric: give one of auc"),
        ({}, {"auc": 93.8}, "canary auc has the bound 93.8"),
        ({"auc": math.nan}, {}, "canary auc has the bound nan"),
        ({"auc": 0.9}, {"auc": 0.95}, "canary auc fails above 0.9 but asks above 0.95"),
    ],
)
def test_bounds_that_cannot_work_are_refused(fail: dict[str, float], explain: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Canaries(fail=fail, explain=explain)
