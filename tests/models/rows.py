"""Synthetic labelled rows with a known truth, for the tests of this folder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from coupon_pipeline.features.feature import FeatureSet
from coupon_pipeline.features.sets import REDEMPTION

NAMES: Final = (
    "household__coupon_basket_share",
    "household__redemption_rate",
    "coupon__category_rate",
    "coupon__upc_rate",
    "pair__spend_91d",
    "pair__spend",
    "pair__category_spend",
)
"""The columns that the baselines read, in model order."""
SMALL: Final = FeatureSet("small", tuple(feature for feature in REDEMPTION.features if feature.name in NAMES))


@dataclass(frozen=True)
class Offered:
    """Labelled rows of every household × coupon pair, and the probability [n] that each label was drawn with."""

    rows: pa.Table
    truth: np.ndarray

    @property
    def labels(self) -> np.ndarray:
        """1 where a pair was redeemed, int64 [n]."""
        return self.rows["label"].to_numpy()


def offered(households: int, coupons: int, intercept: float, seed: int = 0) -> Offered:
    """Pairs whose log-odds are `intercept` plus a habit, an appeal and an affinity, which the features show with noise.

    One household in ten has bought nothing yet, so its share of coupon baskets is null.
    """
    random = np.random.default_rng(seed)
    owner, coupon = (axis.ravel() for axis in np.indices((households, coupons)))
    habit, appeal = random.normal(size=households), random.normal(size=coupons)
    affinity = random.normal(size=len(owner))
    truth = 1 / (1 + np.exp(-(intercept + 0.8 * habit[owner] + 0.8 * appeal[coupon] + 1.2 * affinity)))

    def seen(signal: np.ndarray, noise: float) -> np.ndarray:
        return np.exp(signal + noise * random.normal(size=signal.shape))

    shares = np.where(np.arange(households) % 10 == 0, np.nan, seen(habit, 0.5) / 100)
    columns = {
        "household__coupon_basket_share": shares[owner],
        "household__redemption_rate": (seen(habit, 0.3) / 100)[owner],
        "coupon__category_rate": (seen(appeal, 0.5) / 1000)[coupon],
        "coupon__upc_rate": (seen(appeal, 0.3) / 1000)[coupon],
        "pair__spend_91d": np.floor(100 * seen(affinity, 0.4)),
        "pair__spend": np.floor(400 * seen(affinity, 0.3)),
        "pair__category_spend": np.floor(900 * seen(affinity, 0.6)),
    }
    keys = {"household_id": 1 + owner, "coupon_id": 10**13 + coupon}
    features = {name: pa.array(columns[name], from_pandas=True) for name in SMALL.names}
    label = (random.random(len(owner)) < truth).astype(np.int64)
    return Offered(pa.table({**keys, **features, "label": label}), truth)
