"""Ranking metrics: agreement with scikit-learn, cases worked by hand, and what must hold for any campaign."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score, roc_auc_score

from tests.evaluation.campaigns import Campaign, campaigns, random_campaign

from coupon_pipeline.evaluation.ranking import metrics

LOG3 = math.log2(3)


def defined(values: dict[str, float]) -> dict[str, float]:
    return {name: value for name, value in values.items() if not math.isnan(value)}


def mean_auc(groups: np.ndarray, campaign: Campaign) -> float:
    """The positive-weighted mean of scikit-learn's AUC in each group, one group at a time."""
    values, weights = [], []
    for group in np.unique(groups):
        labels, scores = campaign.labels[groups == group], campaign.scores[groups == group]
        if 0 < labels.sum() < len(labels):
            values.append(roc_auc_score(labels, scores))
            weights.append(labels.sum())
    return float(np.average(values, weights=weights)) if values else math.nan


@pytest.mark.parametrize("levels", [3, 40, 10**9])
def test_all_auc_and_ap_agree_with_scikit_learn(levels: int) -> None:
    campaign = random_campaign(households=30, coupons=20, seed=levels, levels=levels)
    measured = metrics(*campaign.arrays)
    assert measured["auc"] == pytest.approx(roc_auc_score(campaign.labels, campaign.scores))
    assert measured["ap"] == pytest.approx(average_precision_score(campaign.labels, campaign.scores))
    assert measured["within_household_auc"] == pytest.approx(mean_auc(campaign.households, campaign))
    assert measured["per_coupon_auc"] == pytest.approx(mean_auc(campaign.coupons, campaign))


def test_ndcg_agrees_with_scikit_learn_where_nothing_is_tied() -> None:
    campaign = random_campaign(households=30, coupons=40, seed=5, levels=10**9)
    labels, scores = campaign.labels.reshape(30, 40), campaign.scores.reshape(30, 40)
    redeeming = labels.any(axis=1)
    expected = ndcg_score(labels[redeeming], scores[redeeming], k=16)
    assert metrics(*campaign.arrays)["ndcg_at_16"] == pytest.approx(expected)


def test_a_campaign_worked_by_hand() -> None:
    # Household 1 redeems its 2nd coupon of 3; household 2 its 1st and 3rd; household 3 nothing.
    households = [1, 1, 1, 2, 2, 2, 3, 3, 3]
    coupons = [1, 2, 3] * 3
    labels = [0, 1, 0, 1, 0, 1, 0, 0, 0]
    scores = [0.5, 0.4, 0.1, 0.9, 0.8, 0.2, 0.3, 0.6, 0.7]
    measured = metrics(households, coupons, labels, scores)
    assert measured == pytest.approx(
        {
            "auc": (6 + 2 + 1) / 18,
            "ap": (1 / 1 + 2 / 6 + 3 / 8) / 3,
            "ndcg_at_16": (1 / LOG3 + (1 + 1 / 2) / (1 + 1 / LOG3)) / 2,
            "recall_at_16": 1.0,
            "within_household_auc": (1 * 1 / 2 + 2 * 1 / 2) / 3,
            "per_coupon_auc": (1 * 1 + 1 * 0 + 1 * 1 / 2) / 3,
            "household_any_auc": 1 / 2,
            "recall_at_5_percent": 1 / 3,
        }
    )


def test_only_the_first_16_coupons_of_a_list_are_found() -> None:
    labels = np.zeros(40, dtype=int)
    labels[[0, 15, 16, 30]] = 1
    measured = metrics(np.ones(40, dtype=int), np.arange(40), labels, -np.arange(40.0))
    assert measured["recall_at_16"] == 2 / 4
    ideal = sum(1 / math.log2(rank + 1) for rank in (1, 2, 3, 4))
    assert measured["ndcg_at_16"] == pytest.approx((1 + 1 / math.log2(17)) / ideal)


def test_a_list_with_more_than_16_redemptions_can_still_be_ideal() -> None:
    labels = np.repeat([1, 0], [20, 5])
    measured = metrics(np.ones(25, dtype=int), np.arange(25), labels, labels.astype(float))
    assert measured["ndcg_at_16"] == 1
    assert measured["recall_at_16"] == 16 / 20


def test_the_top_5_percent_is_rounded_up_to_whole_pairs() -> None:
    labels = np.zeros(41, dtype=int)
    labels[:4] = 1
    measured = metrics(np.arange(41), np.ones(41, dtype=int), labels, -np.arange(41.0))
    assert measured["recall_at_5_percent"] == 3 / 4


def test_a_household_is_judged_by_the_sum_of_its_probabilities() -> None:
    # Household 1 has the likeliest single coupon, household 2 more redemptions expected in all.
    measured = metrics([1, 1, 2, 2], [1, 2, 1, 2], [0, 0, 0, 1], [0.5, 0.0, 0.3, 0.3])
    assert measured["household_any_auc"] == 1


def test_scores_of_the_coupon_alone_say_nothing_about_who_redeems() -> None:
    campaign = random_campaign(households=50, coupons=30, seed=2)
    popularity = np.random.default_rng(0).random(30)[campaign.coupons - campaign.coupons.min()]
    shuffled = np.random.default_rng(1).permutation(len(popularity))
    measured = metrics(*campaign.scored(popularity).taken(shuffled).arrays)
    assert measured["per_coupon_auc"] == measured["household_any_auc"] == 0.5


def test_scores_all_alike_are_worth_a_coin_toss() -> None:
    campaign = random_campaign(households=200, coupons=40, seed=4)
    measured = metrics(*campaign.scored(np.zeros(8000)).arrays)
    for name in ("auc", "within_household_auc", "per_coupon_auc", "household_any_auc"):
        assert measured[name] == 0.5
    assert measured["ap"] == pytest.approx(campaign.labels.mean())
    assert measured["recall_at_16"] == pytest.approx(16 / 40, abs=0.03)
    assert measured["recall_at_5_percent"] == pytest.approx(0.05, abs=0.02)


def test_the_seed_alone_decides_how_ties_in_a_list_are_broken() -> None:
    campaign = random_campaign(households=20, coupons=40, seed=6, levels=2)
    assert metrics(*campaign.arrays, seed=1) == metrics(*campaign.arrays, seed=1)
    assert metrics(*campaign.arrays, seed=1)["ndcg_at_16"] != metrics(*campaign.arrays, seed=2)["ndcg_at_16"]


def test_ties_at_the_top_do_not_favour_the_lowest_ids() -> None:
    labels = np.repeat([1, 0], [50, 950])
    measured = metrics(np.arange(1000), np.ones(1000, dtype=int), labels, np.zeros(1000))
    assert measured["recall_at_5_percent"] < 0.2


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.bool_, np.float32])
def test_labels_of_a_narrow_type_do_not_overflow(dtype: type) -> None:
    campaign = random_campaign(households=400, coupons=3, seed=7)
    households, coupons, labels, scores = campaign.arrays
    assert np.bincount(coupons - coupons.min(), weights=labels).min() > 11
    assert metrics(households, coupons, labels.astype(dtype), scores) == metrics(*campaign.arrays)


def test_an_auc_that_no_group_defines_is_nan() -> None:
    measured = metrics([1, 2], [1, 2], [1, 0], [0.9, 0.1])
    assert math.isnan(measured["within_household_auc"])
    assert math.isnan(measured["per_coupon_auc"])
    assert measured["household_any_auc"] == 1
    everybody_redeems = metrics([1, 1, 2, 2], [1, 2, 1, 2], [1, 0, 1, 0], [0.9, 0.1, 0.8, 0.2])
    assert math.isnan(everybody_redeems["household_any_auc"])


@given(campaigns(), st.integers(0, 100))
def test_every_metric_is_between_0_and_1(campaign: Campaign, seed: int) -> None:
    assert all(0 <= value <= 1 for value in defined(metrics(*campaign.arrays, seed=seed)).values())


@given(campaigns(), st.integers(0, 2**32))
def test_the_order_of_the_rows_does_not_change_one_bit(campaign: Campaign, seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(campaign.labels))
    assert defined(metrics(*campaign.taken(order).arrays)) == defined(metrics(*campaign.arrays))


@given(campaigns())
def test_a_perfect_score_earns_1(campaign: Campaign) -> None:
    measured = defined(metrics(*campaign.scored(campaign.labels.astype(float)).arrays))
    positives, top = campaign.labels.sum(), -(-len(campaign.labels) // 20)
    per_list = [campaign.labels[campaign.households == one].sum() for one in np.unique(campaign.households)]
    limited = {
        "recall_at_5_percent": min(1, top / positives),
        "recall_at_16": np.mean([min(1, 16 / found) for found in per_list if found]),
    }
    assert measured == pytest.approx(dict.fromkeys(measured, 1.0) | limited)


@given(campaigns())
def test_only_the_order_of_scores_matters_to_a_ranking(campaign: Campaign) -> None:
    measured, stretched = metrics(*campaign.arrays), metrics(*campaign.scored(np.exp(5 * campaign.scores)).arrays)
    del measured["household_any_auc"], stretched["household_any_auc"]
    assert defined(stretched) == defined(measured)


@given(campaigns())
def test_the_opposite_order_has_the_opposite_auc(campaign: Campaign) -> None:
    there, back = metrics(*campaign.arrays), metrics(*campaign.scored(-campaign.scores).arrays)
    for name in ("auc", "within_household_auc", "per_coupon_auc"):
        assert math.isnan(there[name]) == math.isnan(back[name])
        assert math.isnan(there[name]) or there[name] + back[name] == pytest.approx(1)
