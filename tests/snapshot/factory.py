"""Makes small bundles around a real LightGBM model, for the tests of the snapshot and of the service."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import lightgbm as lgb
import numpy as np

from coupon_pipeline.snapshot.content import BundleContent
from coupon_pipeline.snapshot.trees import parse

NAMES = ("pair__baskets", "household__spend", "coupon__face", "pair__days_since", "household__visits")
BLOCKS = ("household__spend", "household__visits", "coupon__face", "pair__baskets", "pair__days_since")
HOUSEHOLDS, COUPONS = 12, 9
UNCONSENTED, WITHOUT_PAIRS = 3, 4
"""Ids of the household that may not be sent offers, and of the one that has no candidates."""


@cache
def booster(seed: int = 0) -> lgb.Booster:
    """A binary model of 20 trees on five features, missing values among them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(600, len(NAMES)))
    X[rng.random(X.shape) < 0.1] = np.nan
    y = (np.nan_to_num(X @ np.array([1.0, 0.5, 0.3, -0.5, 0.2])) + rng.normal(size=600) > 0).astype(float)
    params = {"objective": "binary", "num_leaves": 7, "verbose": -1, "num_threads": 1, "seed": seed}
    return lgb.train(params, lgb.Dataset(X, y, feature_name=list(NAMES)), 20)


def content(seed: int = 0, **changes: Any) -> BundleContent:
    """A bundle of 12 households (ids 1 to 12) and 9 coupons (ids 10 to 90), with `changes` to its fields."""
    rng = np.random.default_rng(seed)
    sizes = np.full(HOUSEHOLDS, COUPONS - 2)
    sizes[WITHOUT_PAIRS - 1] = 0
    coupons = [np.sort(rng.choice(COUPONS, size, replace=False)) for size in sizes]
    pairs = int(sizes.sum())
    pair_features = rng.normal(size=(pairs, 2))
    pair_features[rng.random(pair_features.shape) < 0.2] = np.nan
    canaries = rng.normal(size=(16, len(NAMES)))
    household_ids = np.arange(1, HOUSEHOLDS + 1)
    made = BundleContent(
        trees=parse(booster(seed).model_to_string()),
        model_name="redemption",
        model_version="7",
        feature_names=NAMES,
        feature_hash="f" * 64,
        columns=np.array([BLOCKS.index(name) for name in NAMES]),
        household_ids=household_ids,
        household_features=rng.normal(size=(HOUSEHOLDS, 2)),
        household_consent=household_ids != UNCONSENTED,
        coupon_ids=np.arange(1, COUPONS + 1) * 10,
        coupon_features=rng.normal(size=(COUPONS, 1)),
        coupon_names=tuple(f"Coupon {n}" for n in range(COUPONS)),
        coupon_categories=("dairy", *([None] * (COUPONS - 1))),
        face_value_cents=np.array([-1, *([150] * (COUPONS - 1))]),
        cost_face_cents=np.array([100.0, *([150.0] * (COUPONS - 1))]),
        valid_from=np.full(COUPONS, "2017-05-01", dtype="datetime64[D]"),
        valid_to=np.full(COUPONS, "2017-05-21", dtype="datetime64[D]"),
        pair_offsets=np.concatenate(([0], np.cumsum(sizes))),
        pair_coupon=np.concatenate(coupons).astype(np.int32),
        pair_features=pair_features,
        pair_eligible=rng.random(pairs) < 0.9,
        popular=np.array([4, 2, 0], dtype=np.int32),
        canary_features=canaries,
        canary_raw=np.asarray(booster(seed).predict(canaries, raw_score=True, num_threads=1)),
        price=0.0005,
        max_per_household=5,
        issue_cost_cents=0.2,
        objective="redemptions",
        policy="budgeted-redemptions",
        policy_version="0123456789ab",
        prices_version="ba9876543210",
        source="synthetic",
        timezone="America/New_York",
        clock="source",
        week="2017-05-01",
        for_week="2017-05-08",
        decided_at="2017-05-08T04:00:00",
        assumptions={"assumed_face_value_cents": 100},
    )
    return replace(made, **changes)
