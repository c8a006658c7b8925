"""The redemption model: small regularised trees, odds put back, the same text from the same rows."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cache

import numpy as np
import pyarrow as pa
import pytest

from models.redemption import PARAMETERS, Recipe, TrainingError, fit, load, matrix, probabilities
from models.registry import digest_of
from tests.models.rows import NAMES, SMALL, Offered, offered

from coupon_pipeline.features.feature import FeatureSet

RECIPE = Recipe(boosters=2, rounds=30)


@cache
def rare() -> Offered:
    """Two redemptions in a thousand pairs, as in a large campaign."""
    return offered(households=600, coupons=100, intercept=-7.5)


@cache
def text() -> str:
    return fit(rare().rows, SMALL, RECIPE)


def parameters_of(model: str) -> dict[str, str]:
    block = model.partition("\nparameters:")[2]
    return dict(re.findall(r"^\[(\w+): (.*)\]$", block, re.MULTILINE))


def labelled(values: list[int | None]) -> pa.Table:
    rows = rare().rows.slice(0, len(values))
    return rows.set_column(rows.column_names.index("label"), "label", pa.array(values, pa.int64()))


def test_the_same_rows_and_recipe_give_the_same_bytes() -> None:
    assert fit(rare().rows, SMALL, RECIPE) == text()


def test_another_seed_gives_another_model() -> None:
    scored = rare().rows.slice(0, 1000)
    other = fit(rare().rows, SMALL, replace(RECIPE, seed=1))
    before, after = (probabilities(load(model, SMALL), scored, SMALL) for model in (text(), other))
    assert not np.array_equal(before, after)


def test_another_seed_samples_other_negatives() -> None:
    other = fit(rare().rows, SMALL, replace(RECIPE, seed=1))
    # The ranges of the first booster's sample, one [low:high] per feature.
    before, after = (re.findall(r"^feature_infos=(.*)$", model, re.MULTILINE) for model in (text(), other))
    assert len(before) == 1
    assert before != after


def test_the_odds_are_put_back_after_sampling_negatives() -> None:
    booster, labels = load(text(), SMALL), rare().labels
    assert 0.001 < labels.mean() < 0.004
    assert probabilities(booster, rare().rows, SMALL).mean() == pytest.approx(labels.mean(), rel=0.2)
    raw = np.asarray(booster.predict(matrix(rare().rows, SMALL), raw_score=True, num_threads=1))
    forgotten = 1 / (1 + np.exp(-(raw - np.log(RECIPE.negative_share))))
    assert forgotten.mean() > 10 * labels.mean()


def test_the_share_of_negatives_does_not_move_the_level() -> None:
    fuller = fit(rare().rows, SMALL, replace(RECIPE, negative_share=0.3))
    usual, moved = (probabilities(load(model, SMALL), rare().rows, SMALL).mean() for model in (text(), fuller))
    assert moved == pytest.approx(usual, rel=0.2)


def test_likely_pairs_score_higher() -> None:
    probability = probabilities(load(text(), SMALL), rare().rows, SMALL)
    assert np.corrcoef(np.log(probability), np.log(rare().truth))[0, 1] > 0.7


def test_no_tree_is_larger_than_a_small_one() -> None:
    leaves = [int(number) for number in re.findall(r"^num_leaves=(\d+)$", text(), re.MULTILINE)]
    assert len(leaves) == RECIPE.boosters * RECIPE.rounds
    assert max(leaves) <= 7


def test_the_model_was_trained_with_strong_regularisation_not_with_the_defaults_of_the_library() -> None:
    found = parameters_of(text())
    assert int(found["num_leaves"]) <= 7
    assert float(found["lambda_l2"]) >= 10
    assert float(found["learning_rate"]) < 0.1
    assert float(found["feature_fraction"]) <= 0.5
    assert float(found["bagging_fraction"]) < 1
    assert int(found["bagging_freq"]) == 1
    assert int(found["min_data_in_leaf"]) >= 50
    assert found["deterministic"] == "1"


def test_every_parameter_is_one_that_the_library_knows() -> None:
    # LightGBM ignores a misspelt name in silence, and trains with the default instead.
    found = parameters_of(text())
    for name, value in PARAMETERS.items():
        assert name == "verbose" or name in found, name
        if isinstance(value, float):
            assert float(found[name]) == value, name


def test_a_model_that_is_loaded_and_stored_again_keeps_its_digest() -> None:
    again = load(text(), SMALL).model_to_string()
    assert digest_of(again) == digest_of(text())


def test_probabilities_are_one_per_row_between_0_and_1() -> None:
    rows = rare().rows.slice(0, 500)
    probability = probabilities(load(text(), SMALL), rows, SMALL)
    assert probability.shape == (500,)
    assert ((probability > 0) & (probability < 1)).all()


def test_the_matrix_has_the_features_in_model_order_and_nulls_as_nan() -> None:
    rows = pa.table({name: pa.array([None, n], pa.float64()) for n, name in enumerate(reversed(NAMES))})
    values = matrix(rows, SMALL)
    assert np.isnan(values[0]).all()
    assert values[1].tolist() == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0, 1, None, 0], "4 rows with 1 null labels"),
        ([0, 0, 0], "3 rows with 0 null labels and 0 positives"),
        ([1, 1], "2 rows with 0 null labels and 2 positives"),
        ([], "0 rows with 0 null labels and 0 positives"),
    ],
)
def test_labels_that_teach_nothing_are_refused(values: list[int | None], found: str) -> None:
    with pytest.raises(TrainingError, match=found):
        fit(labelled(values), SMALL, RECIPE)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(FeatureSet("fewer", SMALL.features[:-1]), id="fewer"),
        pytest.param(FeatureSet("turned", SMALL.features[::-1]), id="another order"),
    ],
)
def test_a_model_of_other_features_is_refused(other: FeatureSet) -> None:
    with pytest.raises(TrainingError, match=f"other features than the set '{other.name}'"):
        load(text(), other)


@pytest.mark.parametrize("wrong", [{"boosters": 0}, {"rounds": 0}, {"negative_share": 0.0}, {"negative_share": 5.0}])
def test_a_recipe_that_cannot_be_followed_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="negative_share must lie above 0"):
        Recipe(**wrong)  # ty: ignore[invalid-argument-type]
