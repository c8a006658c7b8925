"""Whether predicted probabilities mean what they say: overall, and bin by bin up to the few pairs that matter."""

from __future__ import annotations

from itertools import pairwise
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from coupon_pipeline.evaluation.pairs import binary, finite

BORDERS: Final = (0, 500, 800, 900, 950, 980, 990, 995, 999, 1000)
"""Bin borders in thousandths of the pairs, finer towards the top: redemptions are rare, and half are in the top 2 %."""


def metrics(labels: ArrayLike, probabilities: ArrayLike) -> dict[str, float]:
    """predicted_over_observed, log_loss and brier of 0/1 labels and probabilities, both [n]; raises as each does."""
    return {
        "predicted_over_observed": predicted_over_observed(labels, probabilities),
        "log_loss": log_loss(labels, probabilities),
        "brier": brier(labels, probabilities),
    }


def predicted_over_observed(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Expected over actual redemptions: 1 is calibrated on the whole, above 1 promises too much.

    Raises ValueError if no label is 1, or as `checked` does.
    """
    redeemed, predicted = checked(labels, probabilities)
    if not redeemed.any():
        raise ValueError(f"labels holds no redemption in {len(redeemed)} pairs: the ratio needs at least one")
    return float(predicted.sum() / redeemed.sum())


def log_loss(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean negative log-likelihood per pair, in nats; probabilities are kept one float64 epsilon away from 0 and 1."""
    redeemed, predicted = checked(labels, probabilities)
    epsilon = np.finfo(np.float64).eps
    kept = np.clip(predicted, epsilon, 1 - epsilon)
    return float(-np.mean(np.where(redeemed, np.log(kept), np.log1p(-kept))))


def brier(labels: ArrayLike, probabilities: ArrayLike) -> float:
    """Mean squared difference between probability and label (Brier, 1950)."""
    redeemed, predicted = checked(labels, probabilities)
    return float(np.mean((predicted - redeemed) ** 2))


def reliability(labels: ArrayLike, probabilities: ArrayLike) -> pd.DataFrame:
    """Predicted against observed redemption by bins of predicted probability, lowest bin first.

    One row per bin that holds a pair: `bin` (its percentiles), `pairs`, `positives`, `predicted` (mean probability)
    and `observed` (share redeemed), both in [0, 1]. Equal probabilities share a bin, the lowest that reaches them.
    """
    redeemed, predicted = checked(labels, probabilities)
    ranks = [-(-len(predicted) * border // 1000) - 1 for border in BORDERS[1:-1]]
    bins = np.searchsorted(np.sort(predicted)[ranks], predicted, side="left")
    names = [f"{low / 10:g}-{high / 10:g} %" for low, high in pairwise(BORDERS)]
    pairs = np.bincount(bins, minlength=len(names))
    positives = np.bincount(bins[redeemed], minlength=len(names))
    expected = np.bincount(bins, weights=predicted, minlength=len(names))
    table = pd.DataFrame({"bin": names, "pairs": pairs, "positives": positives, "expected": expected})[pairs > 0]
    table["predicted"] = table.pop("expected") / table["pairs"]
    table["observed"] = table["positives"] / table["pairs"]
    return table.reset_index(drop=True)


def checked(labels: ArrayLike, probabilities: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
    """Labels and probabilities as arrays [n].

    Raises ValueError if there are none, their numbers differ, a label is not 0 or 1 or a probability not in [0, 1].
    """
    redeemed, predicted = binary(labels), finite("probabilities", probabilities)
    if not 0 < len(redeemed) == len(predicted):
        raise ValueError(f"{len(redeemed)} labels and {len(predicted)} probabilities: give one of each per pair")
    wrong = predicted[(predicted < 0) | (predicted > 1)]
    if wrong.size:
        raise ValueError(f"probabilities holds {wrong[0]}: give values from 0 to 1, not raw scores")
    return redeemed, predicted
