"""What a bundle holds: the arrays and plain values from which the service computes its answers."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal

import numpy as np

from coupon_pipeline.snapshot.trees import Trees

Objective = Literal["redemptions"]
Clock = Literal["system", "source"]

ARRAYS: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "household_ids": ("int64", ("households",)),
    "household_features": ("float64", ("households", "household features")),
    "household_consent": ("bool", ("households",)),
    "coupon_ids": ("int64", ("coupons",)),
    "coupon_features": ("float64", ("coupons", "coupon features")),
    "face_value_cents": ("int64", ("coupons",)),
    "cost_face_cents": ("float64", ("coupons",)),
    "valid_from": ("datetime64[D]", ("coupons",)),
    "valid_to": ("datetime64[D]", ("coupons",)),
    "pair_offsets": ("int64", ("households + 1",)),
    "pair_coupon": ("int32", ("pairs",)),
    "pair_features": ("float64", ("pairs", "pair features")),
    "pair_eligible": ("bool", ("pairs",)),
    "columns": ("int64", ("features",)),
    "popular": ("int32", ("popular",)),
    "canary_features": ("float64", ("canaries", "features")),
    "canary_raw": ("float64", ("canaries",)),
}
"""Data type and dimensions of each array; a dimension has the same size wherever it is named."""

TREES: Final[dict[str, tuple[str, tuple[str, ...]]]] = {
    "column_feature": ("int32", ("columns",)),
    "column_missing": ("int8", ("columns",)),
    "column_left": ("bool", ("columns",)),
    "column": ("int32", ("splits",)),
    "threshold": ("float64", ("splits",)),
    "left": ("int32", ("splits",)),
    "right": ("int32", ("splits",)),
    "leaf_value": ("float64", ("leaves",)),
    "roots": ("int32", ("trees",)),
}


@dataclass(frozen=True)
class BundleContent:
    """All of a bundle. `X[:, columns]` puts the household, coupon and pair blocks, side by side, in model order."""

    trees: Trees
    model_name: str
    model_version: str
    feature_names: tuple[str, ...]
    """In model order; those of `trees`."""
    feature_hash: str
    columns: np.ndarray

    household_ids: np.ndarray
    """Ascending."""
    household_features: np.ndarray
    household_consent: np.ndarray
    """May be sent offers."""

    coupon_ids: np.ndarray
    """Ascending."""
    coupon_features: np.ndarray
    coupon_names: tuple[str, ...]
    coupon_categories: tuple[str | None, ...]
    face_value_cents: np.ndarray
    """-1 where unknown."""
    cost_face_cents: np.ndarray
    """Face value that costs are reckoned with: the assumed one where it is unknown."""
    valid_from: np.ndarray
    valid_to: np.ndarray
    """Store-local days, both inclusive."""

    pair_offsets: np.ndarray
    """Pairs `pair_offsets[h]:pair_offsets[h + 1]` belong to household h, by rising coupon."""
    pair_coupon: np.ndarray
    """Position of the pair's coupon."""
    pair_features: np.ndarray
    pair_eligible: np.ndarray
    popular: np.ndarray
    """Positions of the coupons that an unknown household is shown, best first."""

    canary_features: np.ndarray
    """Rows in model order."""
    canary_raw: np.ndarray
    """The raw scores that LightGBM itself gives the canary rows."""

    price: float
    """Value that a cent of expected cost must earn."""
    max_per_household: int
    issue_cost_cents: float
    objective: Objective
    policy: str
    policy_version: str
    prices_version: str
    source: str
    timezone: str
    clock: Clock
    """Whether business time is the system's, or starts at `decided_at`."""
    week: str
    for_week: str
    decided_at: str
    """ISO instant, naive UTC."""
    assumptions: dict[str, float | str]


PLAIN: Final = tuple(
    field.name
    for field in fields(BundleContent)
    if field.name not in {*ARRAYS, "trees", "coupon_names", "coupon_categories"}
)
"""The fields that are written as plain JSON values."""
