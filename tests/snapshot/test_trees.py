"""The trees give LightGBM's own scores, bit for bit, and refuse the models that they would get wrong."""

from __future__ import annotations

from typing import Any

import lightgbm as lgb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bag import merge
from tests.snapshot.factory import booster

from coupon_pipeline.snapshot.trees import (
    CELLS,
    UnsupportedModelError,
    parse,
    probability,
)

NASTY = np.array(
    [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e-36, -1e-35, float(np.float32(1e-35)), 2e-35, 5e-324, 1e300, -1e308, 1.0]
)


def trained(params: dict[str, Any], seed: int, rounds: int = 8) -> lgb.Booster:
    rng = np.random.default_rng(seed)
    X = nasty_rows(rng, 200, 4)
    finite = np.where(np.isfinite(X), X, 0.0).clip(-3, 3)
    y = (finite[:, 0] - finite[:, 1] + rng.normal(size=len(X)) > 0).astype(float)
    fixed = {"objective": "binary", "verbose": -1, "num_threads": 1, "min_data_in_leaf": 2, "seed": seed}
    return lgb.train(fixed | params, lgb.Dataset(X, y), rounds)


def nasty_rows(rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    X = rng.normal(size=(rows, columns))
    return np.where(rng.random(X.shape) < 0.3, rng.choice(NASTY, X.shape), X)


def same_bits(model: lgb.Booster, X: np.ndarray) -> bool:
    expected = np.asarray(model.predict(X, raw_score=True, num_threads=1))
    return parse(model.model_to_string()).raw(X).tobytes() == expected.tobytes()


@settings(max_examples=25, deadline=None)
@given(
    leaves=st.sampled_from([2, 3, 31, 65]),
    zero_as_missing=st.booleans(),
    use_missing=st.booleans(),
    boosting=st.sampled_from(["gbdt", "dart"]),
    seed=st.integers(0, 1000),
    rows=st.sampled_from([1, 2, 63, 200]),
)
def test_raw_scores_equal_lightgbm_bit_for_bit(
    leaves: int, zero_as_missing: bool, use_missing: bool, boosting: str, seed: int, rows: int
) -> None:
    params = {"num_leaves": leaves, "zero_as_missing": zero_as_missing, "use_missing": use_missing}
    model = trained(params | {"boosting": boosting}, seed)
    assert same_bits(model, nasty_rows(np.random.default_rng(seed + 1), rows, 4))


def test_a_missing_value_goes_right_of_an_infinite_threshold_and_infinity_left() -> None:
    model = trained({"num_leaves": 31, "zero_as_missing": True}, seed=28)
    trees = parse(model.model_to_string())
    feature = trees.column_feature[trees.column[np.isinf(trees.threshold)]][0]
    X = np.random.default_rng(0).normal(size=(60, 4))
    X[:, feature] = np.repeat([0.0, np.nan, np.inf], 20)
    assert same_bits(model, X)


def test_a_model_of_one_leaf_gives_every_row_the_same_score() -> None:
    model = trained({"min_data_in_leaf": 10_000}, seed=1)
    assert parse(model.model_to_string()).roots.tolist() == [-1]
    assert same_bits(model, nasty_rows(np.random.default_rng(0), 5, 4))


def test_a_merged_bag_with_trees_of_one_leaf_between_others_is_scored_like_lightgbm_scores_it() -> None:
    stump, full = trained({"min_data_in_leaf": 10_000}, seed=1), trained({}, seed=2)
    merged = lgb.Booster(
        model_str=merge([full.model_to_string(), stump.model_to_string(), full.model_to_string()], -0.7)
    )
    roots = parse(merged.model_to_string()).roots
    assert roots[8] < 0 <= roots[9]
    assert same_bits(merged, nasty_rows(np.random.default_rng(2), 50, 4))


def test_rows_beyond_one_block_are_scored_like_single_rows() -> None:
    trees = parse(booster().model_to_string())
    X = nasty_rows(np.random.default_rng(0), CELLS // len(trees.roots) + 3, 5)
    ends = np.r_[0:3, len(X) - 5 : len(X)]
    assert trees.raw(X)[ends].tobytes() == np.concatenate([trees.raw(X[[row]]) for row in ends]).tobytes()


def test_no_rows_give_no_scores() -> None:
    assert parse(booster().model_to_string()).raw(np.empty((0, 5))).shape == (0,)


def test_feature_names_come_from_the_model() -> None:
    assert parse(booster().model_to_string()).feature_names == tuple(booster().feature_name())


def test_the_probability_is_that_of_lightgbm() -> None:
    X = nasty_rows(np.random.default_rng(0), 100, 5)
    expected = np.asarray(booster().predict(X, num_threads=1))
    np.testing.assert_allclose(probability(parse(booster().model_to_string()).raw(X)), expected, rtol=0, atol=2e-16)


def test_an_extreme_raw_score_is_a_probability_without_a_warning() -> None:
    assert probability(np.array([-1e4, 0.0, 1e4])).tolist() == [0.0, 0.5, 1.0]


def test_rows_with_another_number_of_columns_are_refused() -> None:
    with pytest.raises(ValueError, match="5 features"):
        parse(booster().model_to_string()).raw(np.zeros((2, 4)))


def categorical() -> lgb.Booster:
    rng = np.random.default_rng(0)
    X = rng.integers(0, 6, size=(300, 2)).astype(float)
    params = {"objective": "binary", "verbose": -1, "num_threads": 1}
    return lgb.train(params, lgb.Dataset(X, (X[:, 0] % 2), categorical_feature=[0]), 3)


def multiclass() -> lgb.Booster:
    rng = np.random.default_rng(0)
    params = {"objective": "multiclass", "num_class": 3, "verbose": -1, "num_threads": 1}
    return lgb.train(params, lgb.Dataset(rng.normal(size=(300, 2)), rng.integers(0, 3, 300)), 2)


@pytest.mark.parametrize(
    ("make", "option"),
    [
        (categorical, "num_cat"),
        (multiclass, "objective"),
        (lambda: trained({"linear_tree": True, "num_leaves": 4}, 0), "is_linear"),
        (lambda: trained({"boosting": "rf", "bagging_fraction": 0.5, "bagging_freq": 1}, 0), "average_output"),
        (lambda: trained({"sigmoid": 2.0}, 0), "objective"),
        (lambda: trained({"objective": "regression"}, 0), "objective"),
    ],
)
def test_an_unsupported_model_is_refused_by_its_option(make: Any, option: str) -> None:
    with pytest.raises(UnsupportedModelError, match=option):
        parse(make().model_to_string())


def test_a_text_that_is_cut_off_is_refused() -> None:
    text = booster().model_to_string()
    with pytest.raises(UnsupportedModelError, match="cut off"):
        parse(text[: text.index("end of trees")])
