"""What the model of a whole run learned from, and what stays out of every training."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest

from models import dataset, training
from models.campaigns import CampaignError, announced
from models.registry import Registry
from tests.conftest import Loop

from coupon_pipeline.features.sets import REDEMPTION

REDEEMED = {27: 64, 5: 10, 8: 368, 9: 43, 10: 14, 13: 620}
"""Positives of each closed campaign, as the publisher's table has them: the slice keeps all redeemers."""


def campaigns(loop: Loop) -> dict[int, training.Campaign]:
    store = loop.pipeline.store
    return announced(store.as_of(store.calendar.decision_time(loop.last)))


def test_every_pair_of_a_campaign_is_a_row_and_every_redemption_a_positive(loop: Loop) -> None:
    for campaign_id, redeemed in REDEEMED.items():
        campaign = campaigns(loop)[campaign_id]
        rows = dataset.load(loop.pipeline.store, campaign, REDEMPTION)
        assert int(np.sum(rows["label"].to_numpy())) == redeemed, campaign_id
        households, coupons = len(rows["household_id"].unique()), len(rows["coupon_id"].unique())
        assert rows.num_rows == households * coupons


def test_the_split_trains_on_all_that_had_closed_before_the_test_began(loop: Loop) -> None:
    parts = training.development_split(loop.pipeline.store, loop.pipeline.plan)
    assert parts.test_ids == [13]
    assert {campaign.campaign_id for campaign in parts.training} == {27, 5, 8, 9, 10}


def test_an_open_campaign_in_the_training_set_is_refused_by_name(loop: Loop) -> None:
    parts = training.development_split(loop.pipeline.store, loop.pipeline.plan)
    open_one = replace(parts.training[-1], ends_on=parts.first_test.starts_on)
    with pytest.raises(CampaignError, match=f"campaign {open_one.campaign_id} ends on .* its labels leak"):
        training.Split(parts.test, (*parts.training[:-1], open_one))
    closed = replace(open_one, ends_on=parts.first_test.starts_on - timedelta(days=1))
    training.Split(parts.test, (closed,))


def test_the_test_campaign_itself_cannot_be_learned_from(loop: Loop) -> None:
    parts = training.development_split(loop.pipeline.store, loop.pipeline.plan)
    with pytest.raises(CampaignError):
        training.Split(parts.test, (*parts.training, *parts.test))


def test_labels_of_a_campaign_that_outlives_the_data_are_refused(loop: Loop) -> None:
    with pytest.raises(CampaignError, match="its labels are not closed"):
        dataset.load(loop.pipeline.store, campaigns(loop)[15], REDEMPTION)


def test_a_locked_campaign_is_neither_trained_nor_tested_on(loop: Loop) -> None:
    plan = replace(loop.pipeline.plan, locked_from=date(2017, 8, 1))
    with pytest.raises(CampaignError, match="locked_from"):
        training.development_split(loop.pipeline.store, plan)


def test_rows_follow_what_they_are_made_from(loop: Loop) -> None:
    """A changed clean week before the start changes the digest, and so makes the kept rows stale."""
    store, campaign = loop.pipeline.store, campaigns(loop)[9]
    before = dataset.digest_of(store, campaign, REDEMPTION)
    path = store.path("clean", "pos_transactions", store.calendar.weeks[3])
    original = path.read_bytes()
    try:
        store.write(
            "clean", "pos_transactions", store.calendar.weeks[3], store.read("clean", "stores", loop.last), "other"
        )
        assert dataset.digest_of(store, campaign, REDEMPTION) != before
    finally:
        path.write_bytes(original)
    assert dataset.digest_of(store, campaign, REDEMPTION) == before


def test_the_same_model_registered_again_does_not_become_the_champion(loop: Loop, tmp_path: Path) -> None:
    registry, store = Registry(loop.pipeline.settings), loop.pipeline.store
    champion = training.champion(registry, REDEMPTION)
    example = np.zeros((2, len(REDEMPTION.names)))
    again = registry.log(champion.text, REDEMPTION, example, {}, {}, {}, tmp_path)
    trained = replace(training.last_trained(store), version=again.version)
    parts = training.development_split(store, loop.pipeline.plan)
    findings = training.gate(store, registry, parts, loop.pipeline.plan, REDEMPTION, trained)
    assert [finding.name for finding in findings] == ["same_model"]
    assert training.champion(registry, REDEMPTION).version == champion.version


def test_a_training_from_the_same_rows_is_not_repeated(loop: Loop) -> None:
    trained = training.last_trained(loop.pipeline.store)
    parts = training.development_split(loop.pipeline.store, loop.pipeline.plan)
    again = training.fingerprint_of(loop.pipeline.store, parts, REDEMPTION, loop.pipeline.recipe)
    assert trained.fingerprint == again
    other = replace(loop.pipeline.recipe, seed=1)
    assert training.fingerprint_of(loop.pipeline.store, parts, REDEMPTION, other) != again
