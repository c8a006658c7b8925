"""The feature sets of the models."""

from __future__ import annotations

from typing import Final

from coupon_pipeline.features import coupon, household, pair
from coupon_pipeline.features.feature import FeatureSet

REDEMPTION: Final = FeatureSet("redemption", (*household.FEATURES, *coupon.FEATURES, *pair.FEATURES))
"""What the redemption model sees of a household, a coupon and both together."""
