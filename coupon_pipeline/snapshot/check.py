"""Refuses bundle content that does not fit together, before it is published and before it is served."""

from __future__ import annotations

from datetime import date, datetime
from typing import get_args
from zoneinfo import ZoneInfo

import numpy as np

from coupon_pipeline.snapshot.content import (
    ARRAYS,
    TREES,
    BundleContent,
    Clock,
    Objective,
)
from coupon_pipeline.snapshot.trees import MISSING_NAN, Trees


def check(content: BundleContent) -> None:
    """Raise ValueError, naming the field, for anything that the service could trip over."""
    sizes = _sizes({name: getattr(content, name) for name in ARRAYS}, ARRAYS)
    _sizes({name: getattr(content.trees, name) for name in TREES}, TREES)
    _check_trees(content.trees)
    _check_rows(content, sizes)
    _check_pairs(content, sizes)
    _check_plain(content)


def _sizes(arrays: dict[str, np.ndarray], expected: dict[str, tuple[str, tuple[str, ...]]]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for name, (dtype, dimensions) in expected.items():
        array = arrays[name]
        if array.dtype != np.dtype(dtype) or array.ndim != len(dimensions):
            raise ValueError(f"{name} must be {dtype} {list(dimensions)}, not {array.dtype} {list(array.shape)}")
        for dimension, size in zip(dimensions, array.shape, strict=True):
            if sizes.setdefault(dimension, size) != size:
                raise ValueError(f"{name} has {size} {dimension}, other arrays have {sizes[dimension]}")
    return sizes


def _require(holds: object, message: str) -> None:
    if not holds:
        raise ValueError(message)


def _within(index: np.ndarray, size: int) -> bool:
    return bool(((index >= 0) & (index < size)).all())


def _check_trees(trees: Trees) -> None:
    splits, leaves = len(trees.column), len(trees.leaf_value)
    own = np.arange(splits)
    _require(len(trees.roots), "trees.roots is empty")
    _require(_within(trees.column_feature, len(trees.feature_names)), "trees.column_feature is out of range")
    _require(_within(trees.column_missing, MISSING_NAN + 1), "trees.column_missing is out of range")
    _require(_within(trees.column, len(trees.column_feature)), "trees.column is out of range")
    _require(np.isfinite(trees.leaf_value).all(), "trees.leaf_value is not finite")
    for name, child, least in (
        ("left", trees.left, own + 1),
        ("right", trees.right, own + 1),
        ("roots", trees.roots, 0),
    ):
        split = (child >= least) & (child < splits)
        _require((split | ((child < 0) & (~child < leaves))).all(), f"trees.{name} is out of range")


def _check_rows(content: BundleContent, sizes: dict[str, int]) -> None:
    for name in ("household_ids", "coupon_ids"):
        ids = getattr(content, name)
        _require((np.diff(ids, prepend=-1) > 0).all(), f"{name} must rise strictly and not be negative")
    for name in ("coupon_names", "coupon_categories"):
        _require(len(getattr(content, name)) == sizes["coupons"], f"{name} must hold one entry per coupon")
    features = sum(sizes[f"{family} features"] for family in ("household", "coupon", "pair"))
    _require(np.array_equal(np.sort(content.columns), np.arange(features)), "columns must name each block column once")
    _require(content.feature_names == content.trees.feature_names, "feature_names are not those of the trees")
    _require(len(content.feature_names) == features, f"feature_names must hold {features} names")
    _require((content.face_value_cents >= -1).all(), "face_value_cents must be -1 (unknown) or more")
    _require(
        (np.isfinite(content.cost_face_cents) & (content.cost_face_cents >= 0)).all(), "cost_face_cents is negative"
    )
    _require((content.valid_from <= content.valid_to).all(), "valid_to lies before valid_from, or a day is missing")
    _require(_within(content.popular, sizes["coupons"]), "popular is out of range")
    _require(sizes["canaries"], "canary_features must hold at least one row")
    _require(np.isfinite(content.canary_raw).all(), "canary_raw is not finite")


def _check_pairs(content: BundleContent, sizes: dict[str, int]) -> None:
    offsets, coupon = content.pair_offsets, content.pair_coupon
    _require(
        sizes["households + 1"] == sizes["households"] + 1, "pair_offsets must hold one entry more than households"
    )
    _require(offsets[0] == 0 and offsets[-1] == sizes["pairs"], "pair_offsets must go from 0 to the number of pairs")
    _require((np.diff(offsets) >= 0).all(), "pair_offsets must not fall")
    _require(_within(coupon, sizes["coupons"]), "pair_coupon is out of range")
    same = np.ones(len(coupon), dtype=bool)
    same[offsets[:-1][np.diff(offsets) > 0]] = False
    _require((np.diff(coupon) > 0)[same[1:]].all(), "pair_coupon must rise within a household")


def _check_plain(content: BundleContent) -> None:
    for name in ("price", "issue_cost_cents"):
        value = getattr(content, name)
        _require(np.isfinite(value) and value >= 0, f"{name} must be a number of at least 0, not {value}")
    _require(content.max_per_household >= 1, f"max_per_household must be at least 1, not {content.max_per_household}")
    for name, kind in (("objective", Objective), ("clock", Clock)):
        value = getattr(content, name)
        _require(value in get_args(kind), f"{name} must be one of {', '.join(get_args(kind))}, not {value!r}")
    for name in ("week", "for_week"):
        _require(date.fromisoformat(getattr(content, name)), name)
    _require(
        datetime.fromisoformat(content.decided_at).tzinfo is None, "decided_at must be naive UTC, without an offset"
    )
    ZoneInfo(content.timezone)
