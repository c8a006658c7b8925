"""Coupons of the chain: each week a wave of offers, each a category and a brand, which live for two weeks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupon_pipeline.simulation.catalogue import Catalogue
from coupon_pipeline.simulation.keys import stream, uniform
from coupon_pipeline.simulation.spec import ChainSpec

LIFE_WEEKS = 2
SHALLOWEST, DEEPEST = 0.12, 0.50
SUPPLIER_SHARE_BP = 8_500
"""Share that a funding supplier pays: the store keeps handling and unpaid claims."""
COUPONS_PER_CAMPAIGN = 1_000


@dataclass(frozen=True)
class Wave:
    """The offers of one week, arrays [J]; coupon j applies to products first[j]:last[j] of the catalogue."""

    week: int
    campaign_id: int
    coupon_ids: np.ndarray
    category: np.ndarray
    brand: np.ndarray
    first: np.ndarray
    last: np.ndarray
    face_cents: np.ndarray
    depth: np.ndarray
    """float64: face value over the mean price of the products."""
    supplier_share_bp: np.ndarray
    """0 where the store pays."""

    @property
    def store_share(self) -> np.ndarray:
        """float64: what part of the discount the store pays."""
        return 1 - self.supplier_share_bp / 10_000


def first_wave(spec: ChainSpec) -> int:
    """The week of the first wave."""
    return spec.warmup_weeks - spec.issue_weeks


def wave(spec: ChainSpec, catalogue: Catalogue, week: int) -> Wave:
    """The wave of a week: a pure function of the world, so that it can be announced before it starts."""
    brands = np.arange(spec.categories * spec.brands)
    order = np.argsort(uniform(stream(spec.seed, f"wave/{week}"), brands), kind="stable")
    chosen = np.sort(order[: spec.wave_coupons])
    category, brand = chosen // spec.brands, chosen % spec.brands
    first, last = catalogue.brand_starts[category, brand], catalogue.brand_starts[category, brand + 1]
    totals = np.concatenate([[0.0], np.cumsum(catalogue.base_price)])
    price = (totals[last] - totals[first]) / (last - first)
    wish = SHALLOWEST + (DEEPEST - SHALLOWEST) * uniform(stream(spec.seed, f"face/{week}"), chosen)
    face = np.maximum(5 * np.round(wish * price / 5), 5.0)
    by_supplier = (brand > 0) & (uniform(stream(spec.seed, f"funding/{week}"), chosen) < 0.5)
    campaign = week + 1
    return Wave(
        week=week,
        campaign_id=campaign,
        coupon_ids=campaign * COUPONS_PER_CAMPAIGN + 1 + np.arange(len(chosen)),
        category=category,
        brand=brand,
        first=first,
        last=last,
        face_cents=face.astype(np.int64),
        depth=face / price,
        supplier_share_bp=np.where(by_supplier, SUPPLIER_SHARE_BP, 0),
    )
