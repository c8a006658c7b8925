"""A bag is one booster whose raw score is the mean of its members plus a constant."""

from __future__ import annotations

import math
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bag import merge

NAMES = ("household__a", "coupon__b", "pair__c")


def sample(seed: int, rows: int = 300) -> np.ndarray:
    random = np.random.default_rng(seed)
    values = random.normal(size=(rows, len(NAMES)))
    return np.where(random.random(values.shape) < 0.2, np.nan, values)


@cache
def booster(seed: int, names: tuple[str, ...] = NAMES, rounds: int = 6, **parameters: Any) -> lgb.Booster:
    """A booster on its own sample, so that its bin edges and trees are its own too."""
    values = sample(seed)
    label = (np.nansum(values, axis=1) + np.random.default_rng(seed).normal(size=len(values)) > 0).astype(float)
    fixed = {"objective": "binary", "num_leaves": 5, "verbose": -1, "num_threads": 1, "seed": seed}
    return lgb.train(fixed | parameters, lgb.Dataset(values, label, feature_name=list(names)), rounds)


def raw(model: lgb.Booster, values: np.ndarray) -> np.ndarray:
    return np.asarray(model.predict(values, raw_score=True, num_threads=1))


def merged(members: list[lgb.Booster], offset: float) -> lgb.Booster:
    return lgb.Booster(model_str=merge([member.model_to_string() for member in members], offset))


@settings(max_examples=40, deadline=None)
@given(
    seeds=st.lists(st.integers(0, 9), min_size=1, max_size=6),
    offset=st.floats(-10, 10),
    rows=st.integers(0, 2**32),
)
def test_the_raw_score_is_the_mean_plus_the_offset(seeds: list[int], offset: float, rows: int) -> None:
    values = sample(rows)
    members = [booster(seed) for seed in seeds]
    expected = np.mean([raw(member, values) for member in members], axis=0) + offset
    assert np.abs(raw(merged(members, offset), values) - expected).max() < 1e-12


def test_missing_values_take_the_way_that_they_take_in_the_members() -> None:
    values = np.full((1, len(NAMES)), np.nan)
    members = [booster(1), booster(2)]
    expected = np.mean([raw(member, values) for member in members], axis=0)
    assert raw(merged(members, 0.0), values) == pytest.approx(expected, abs=1e-12)


def test_a_bag_of_one_scores_as_its_member() -> None:
    assert raw(merged([booster(3)], 0.0), sample(0)).tolist() == raw(booster(3), sample(0)).tolist()


def test_the_offset_moves_the_log_odds_of_every_row_alike() -> None:
    members = [booster(4), booster(5)]
    moved = raw(merged(members, math.log(0.05)), sample(0)) - raw(merged(members, 0.0), sample(0))
    assert moved == pytest.approx(math.log(0.05), abs=1e-12)


def test_members_may_have_different_numbers_of_trees() -> None:
    members = [booster(1, rounds=2), booster(2, rounds=7)]
    bag = merged(members, 0.5)
    expected = np.mean([raw(member, sample(0)) for member in members], axis=0) + 0.5
    assert bag.num_trees() == 9
    assert np.abs(raw(bag, sample(0)) - expected).max() < 1e-12


def test_a_first_member_that_found_no_split_still_carries_the_offset() -> None:
    constant = booster(1, min_data_in_leaf=1000)
    assert np.ptp(raw(constant, sample(0))) == 0
    expected = (raw(constant, sample(0)) + raw(booster(2), sample(0))) / 2 + 0.5
    assert np.abs(raw(merged([constant, booster(2)], 0.5), sample(0)) - expected).max() < 1e-12


def test_the_merged_text_is_a_whole_native_model() -> None:
    text = merge([booster(seed).model_to_string() for seed in range(4)], -1.0)
    loaded = lgb.Booster(model_str=text)
    assert loaded.num_trees() == 24
    assert tuple(loaded.feature_name()) == NAMES
    again = lgb.Booster(model_str=loaded.model_to_string())
    assert raw(again, sample(0)).tobytes() == raw(loaded, sample(0)).tobytes()


def test_the_same_members_give_the_same_text() -> None:
    texts = [booster(seed).model_to_string() for seed in (1, 2)]
    assert merge(texts, -1.0) == merge(texts, -1.0)


def test_an_empty_bag_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        merge([], 0.0)


@pytest.mark.parametrize(
    "stranger",
    [
        pytest.param(booster(2, names=("household__a", "coupon__b", "pair__other")), id="another name"),
        pytest.param(booster(2, names=("coupon__b", "household__a", "pair__c")), id="another order"),
        pytest.param(booster(2, objective="regression"), id="another objective"),
    ],
)
def test_members_that_differ_in_more_than_their_trees_are_refused(stranger: lgb.Booster) -> None:
    with pytest.raises(ValueError, match="trained on the same features"):
        merge([booster(1).model_to_string(), stranger.model_to_string()], 0.0)


def test_a_truncated_model_is_refused() -> None:
    with pytest.raises(ValueError, match="end of trees"):
        merge(["tree\nversion=v4\n"], 0.0)
