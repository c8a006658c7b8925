"""The redemption model: a bag of small, strongly regularised LightGBM boosters in one native model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from models.bag import merge

from coupon_pipeline.features.feature import FeatureSet

if TYPE_CHECKING:
    import lightgbm as lgb

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.06,
    "num_leaves": 7,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.2,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "lambda_l2": 20.0,
    "max_bin": 127,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbose": -1,
}
"""With 0.2 % positives the defaults of the library overfit at once: small trees and a strong L2 are what matters."""


class TrainingError(ValueError):
    """Rows that no model can be trained on."""


@dataclass(frozen=True)
class Recipe:
    """All that decides a training besides its rows."""

    seed: int = 0
    boosters: int = 8
    rounds: int = 150
    negative_share: float = 0.05
    """Share of the negatives that each booster sees; the odds are put back afterwards."""

    def __post_init__(self) -> None:
        if self.boosters < 1 or self.rounds < 1 or not 0 < self.negative_share <= 1:
            raise ValueError(
                f"{self}: boosters and rounds must be at least 1, negative_share must lie above 0 and at most at 1"
            )


def matrix(rows: pa.Table, features: FeatureSet) -> np.ndarray:
    """Features of rows as float64 [n, F] in model order, nulls as NaN."""
    columns = [rows[name].to_numpy().astype(np.float64, copy=False) for name in features.names]
    return np.column_stack(columns) if columns else np.empty((rows.num_rows, 0))


def fit(rows: pa.Table, features: FeatureSet, recipe: Recipe) -> str:
    """The text of a native LightGBM model whose raw score is the log-odds of redemption.

    `rows` (see models.dataset) must be ordered by campaign, household and coupon: the sample of negatives follows the
    order. Raises TrainingError if the label has a null or one class only.
    """
    label = rows["label"].to_numpy()
    if rows["label"].null_count or not 0 < label.sum() < len(label):
        raise TrainingError(
            f"{len(label)} rows with {rows['label'].null_count} null labels and {label.sum()} positives"
        )
    values = matrix(rows, features)
    members = [_member(values, label, features, recipe, number) for number in range(recipe.boosters)]
    merged = merge(members, math.log(recipe.negative_share))
    # As LightGBM itself writes it, so that a stored copy has the same bytes and the same SHA-256.
    return load(merged, features).model_to_string()


def _member(values: np.ndarray, label: np.ndarray, features: FeatureSet, recipe: Recipe, number: int) -> str:
    import lightgbm as lgb

    draw = np.random.default_rng([recipe.seed, number]).random(len(label))
    kept = (label == 1) | (draw < recipe.negative_share)
    parameters = {**PARAMETERS, "seed": 1_000 * recipe.seed + number}
    data = lgb.Dataset(values[kept], label[kept], feature_name=list(features.names), params=parameters)
    return lgb.train(parameters, data, recipe.rounds).model_to_string()


def load(text: str, features: FeatureSet) -> lgb.Booster:
    """The booster of a model's text; raises TrainingError if it was trained on another feature set."""
    import lightgbm as lgb

    booster = lgb.Booster(model_str=text)
    if tuple(booster.feature_name()) != features.names:
        raise TrainingError(f"the model was trained on other features than the set {features.name!r}: train it again")
    return booster


def probabilities(booster: lgb.Booster, rows: pa.Table, features: FeatureSet) -> np.ndarray:
    """P(redeemed within validity | issued) of rows, float64 [n]."""
    return np.asarray(booster.predict(matrix(rows, features), num_threads=1))
