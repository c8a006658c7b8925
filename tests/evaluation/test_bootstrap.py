"""Household resampling: weights stand for repeated rows, and models are compared on the same resamples."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings

from tests.evaluation.campaigns import Campaign, campaigns, random_campaign

from coupon_pipeline.evaluation.bootstrap import (
    METRICS,
    Interval,
    household_repeats,
    lower_bound,
    paired,
)
from coupon_pipeline.evaluation.pairs import Pairs
from coupon_pipeline.evaluation.ranking import metrics


def repeated(campaign: Campaign, repeats: np.ndarray) -> Campaign:
    """The campaign with household h copied `repeats[h]` times, row by row, each copy as a household of its own."""
    copies = []
    for household, count in zip(np.unique(campaign.households), repeats, strict=True):
        rows = np.flatnonzero(campaign.households == household)
        copies += [rows] * int(count)
    owners = np.repeat(np.arange(len(copies)), [len(rows) for rows in copies])
    taken = campaign.taken(np.concatenate(copies))
    return Campaign(owners, taken.coupons, taken.labels, taken.scores)


@settings(max_examples=30, deadline=None)
@given(campaigns())
def test_weights_agree_with_rows_repeated_one_by_one(campaign: Campaign) -> None:
    households, coupons, labels, _ = campaign.arrays
    # Untied inside a list, where a repeated household would break its ties by other keys; tied between households.
    scores = (campaign.coupons * 7919 % 1009) / 1009 + np.round(campaign.scores)
    comparison = paired(households, coupons, labels, {"model": scores}, "model", resamples=3, seed=11)
    drawn = list(household_repeats(Pairs.of(households, coupons, labels), resamples=3, seed=11))
    for n, repeats in enumerate(drawn):
        literal = metrics(*repeated(campaign.scored(scores), repeats).arrays)
        for name in METRICS:
            assert comparison.draws["model"][name][n] == pytest.approx(literal[name])


def test_all_models_see_the_same_resamples() -> None:
    campaign = random_campaign(households=40, coupons=20, seed=1)
    households, coupons, labels, scores = campaign.arrays
    alone = paired(households, coupons, labels, {"a": scores}, "a", resamples=20)
    together = paired(households, coupons, labels, {"b": -scores, "a": scores, "twin": 2 * scores}, "a", resamples=20)
    for name in METRICS:
        assert together.draws["a"][name].tolist() == alone.draws["a"][name].tolist()
        assert not together.differences("twin", name).any()
        assert together.difference("twin", name) == Interval(0, 0, 0)


def test_a_difference_is_positive_where_the_reference_is_better() -> None:
    campaign = random_campaign(households=60, coupons=20, seed=2)
    households, coupons, labels, scores = campaign.arrays
    noise = np.random.default_rng(0).random(len(labels))
    comparison = paired(households, coupons, labels, {"noise": noise, "model": scores}, "model", resamples=100)
    for name in METRICS:
        assert comparison.difference("noise", name).low > 0
        assert lower_bound(comparison.differences("noise", name)) > 0


def test_an_interval_covers_the_metric_of_the_whole_campaign() -> None:
    campaign = random_campaign(households=200, coupons=20, seed=3)
    households, coupons, labels, scores = campaign.arrays
    comparison = paired(households, coupons, labels, {"model": scores}, "model", resamples=200)
    whole = metrics(*campaign.arrays)
    for name in METRICS:
        interval = comparison.interval("model", name)
        assert interval.low < whole[name] < interval.high
        assert interval.low < interval.mid < interval.high


def test_an_interval_leaves_out_a_fortieth_of_the_draws_at_each_end() -> None:
    interval = Interval.of(np.random.default_rng(0).permutation(1001) / 1000)
    assert [interval.low, interval.mid, interval.high] == pytest.approx([0.025, 0.5, 0.975])


def test_households_are_drawn_whole_so_copied_pairs_do_not_narrow_the_interval() -> None:
    campaign = random_campaign(households=100, coupons=10, seed=4)
    households, coupons, labels, scores = campaign.arrays
    tenfold = [np.tile(array, 10) for array in (households, coupons, labels, scores)]
    tenfold[1] = np.concatenate([coupons + 1000 * n for n in range(10)])
    once = paired(households, coupons, labels, {"m": scores}, "m", ["auc"], resamples=200).interval("m", "auc")
    many = paired(*tenfold[:3], {"m": tenfold[3]}, "m", ["auc"], resamples=200).interval("m", "auc")
    assert many.high - many.low == pytest.approx(once.high - once.low)


def test_the_same_seed_gives_the_same_draws_in_any_order_of_rows() -> None:
    campaign = random_campaign(households=30, coupons=20, seed=5, levels=3)
    shuffled = campaign.taken(np.random.default_rng(0).permutation(len(campaign.labels)))
    first = paired(*campaign.arrays[:3], {"m": campaign.scores}, "m", resamples=10, seed=3)
    again = paired(*shuffled.arrays[:3], {"m": shuffled.scores}, "m", resamples=10, seed=3)
    other = paired(*campaign.arrays[:3], {"m": campaign.scores}, "m", resamples=10, seed=4)
    for name in METRICS:
        assert first.draws["m"][name].tolist() == again.draws["m"][name].tolist()
        assert first.draws["m"][name].tolist() != other.draws["m"][name].tolist()


@pytest.mark.parametrize("redeemers", [1, 19])
def test_a_campaign_with_one_household_of_either_kind_still_has_an_interval(redeemers: int) -> None:
    labels = np.arange(20) < redeemers
    comparison = paired(np.arange(20), np.ones(20, dtype=int), labels, {"m": np.arange(20)}, "m", resamples=50)
    assert all(np.isfinite(comparison.draws["m"][name]).all() for name in METRICS)


def test_only_the_metrics_asked_for_are_drawn() -> None:
    campaign = random_campaign(households=5, coupons=5, seed=6)
    comparison = paired(*campaign.arrays[:3], {"m": campaign.scores}, "m", ["ap"], resamples=2)
    assert list(comparison.draws["m"]) == ["ap"]


def test_a_lower_bound_leaves_5_percent_of_the_differences_below() -> None:
    differences = np.arange(101) - 5.0
    assert lower_bound(differences) == pytest.approx(0)
    assert lower_bound(differences, level=0.5) == pytest.approx(45)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"reference": "x"}, "reference 'x' has no scores: name one of m"),
        ({"metrics": ["auc", "recall_at_16"]}, "metrics holds 'recall_at_16'"),
        ({"resamples": 0}, "resamples is 0"),
        ({"scores": {"m": [0.1]}}, "m has 1 values for 4 pairs"),
    ],
)
def test_bad_requests_are_refused_by_name(change: dict[str, Any], message: str) -> None:
    request: dict[str, Any] = {
        "households": [1, 1, 2, 2],
        "coupons": [1, 2, 1, 2],
        "labels": [0, 1, 0, 1],
        "scores": {"m": [0.1, 0.2, 0.3, 0.4]},
        "reference": "m",
    }
    with pytest.raises(ValueError, match=message):
        paired(**request | change)


def test_a_bound_needs_differences_and_a_level() -> None:
    with pytest.raises(ValueError, match="differences is empty"):
        lower_bound([])
    with pytest.raises(ValueError, match="level is 95"):
        lower_bound([0.1], level=95)
