"""Weighted AUC and average precision from one sort."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from sklearn.metrics import average_precision_score, roc_auc_score

from tests.evaluation.campaigns import Campaign, campaigns, random_campaign

from coupon_pipeline.evaluation.ordering import Ordering, changes


@given(campaigns())
def test_integer_weights_mean_what_scikit_learn_means_by_sample_weights(campaign: Campaign) -> None:
    labels, scores = campaign.labels.astype(bool), campaign.scores
    weights = np.random.default_rng(0).integers(1, 4, size=len(labels))
    ordering = Ordering.of(labels, scores)
    tally = ordering.tally(weights[ordering.rows])
    assert tally.auc() == pytest.approx(roc_auc_score(labels, scores, sample_weight=weights))
    assert tally.ap() == pytest.approx(average_precision_score(labels, scores, sample_weight=weights))


@given(campaigns())
def test_a_row_of_weight_zero_is_a_row_left_out(campaign: Campaign) -> None:
    labels, scores = campaign.labels.astype(bool), campaign.scores
    kept = np.random.default_rng(1).random(len(labels)) < 0.5
    kept[:2] = True  # the two rows that hold one label each
    ordering = Ordering.of(labels, scores)
    tally = ordering.tally(kept[ordering.rows].astype(np.int64))
    alone = Ordering.of(labels[kept], scores[kept]).tally(np.ones(kept.sum(), dtype=np.int64))
    assert (tally.auc(), tally.ap()) == (alone.auc(), alone.ap())


def test_a_label_without_weight_leaves_the_metric_undefined() -> None:
    ordering = Ordering.of(np.array([True, False]), np.array([0.9, 0.1]))
    assert math.isnan(ordering.tally(np.array([0, 1])).auc())
    assert math.isnan(ordering.tally(np.array([0, 1])).ap())
    assert math.isnan(ordering.tally(np.array([1, 0])).auc())
    assert ordering.tally(np.array([1, 0])).ap() == 1


def test_a_run_begins_where_any_key_changes() -> None:
    assert changes(np.array([1, 1, 2, 2]), np.array([5, 6, 6, 6])).tolist() == [True, True, True, False]


def test_counts_beyond_32_bits_do_not_overflow() -> None:
    campaign = random_campaign(households=2, coupons=50, seed=3)
    labels = campaign.labels.astype(bool)
    ordering = Ordering.of(labels, campaign.scores)
    tally = ordering.tally(np.full(len(labels), 3 * 10**7))
    assert tally.auc() == pytest.approx(roc_auc_score(labels, campaign.scores))
