"""The catalogue: categories with real marginals, brands, suppliers, products, and the stores' price zones."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import ndtri

from coupon_pipeline.simulation.keys import normal, stream, uniform
from coupon_pipeline.simulation.spec import ChainSpec

CATEGORIES = Path(__file__).parent / "calibration" / "categories.json"
"""The largest real categories with their marginals."""
LEVELS = CATEGORIES.with_name("levels.json")
"""Correction of each category's rate: real over simulated penetration, after four rounds of simulation."""
PERISHABLE = ("PRODUCE", "MEAT", "MEAT-PCKGD", "DELI", "PASTRY", "SEAFOOD", "SEAFOOD-PCKGD", "SALAD BAR", "FLORAL")
TAXED = ("DRUG GM", "COSMETICS", "NUTRITION", "GM MERCH EXP", "GARDEN CENTER", "TOYS", "HOUSEWARES", "AUTOMOTIVE")
TAX_BP = 700
"""Sales tax of general merchandise, in basis points; food is free of it."""
PRICE_LEVEL, PRIVATE_PRICE = 1.02, 0.8
ZONE_LEVEL = 0.04
"""The second price zone is dearer by this share, the third by twice as much."""
BRAND_DECAY = 0.6
LINES_PER_BASKET = 10.22
"""Of the real households: turns a share of lines into lines per basket."""
PRIVATE_APPEAL = 0.12
LATE_SUPPLIERS = 0.2
"""Share of suppliers that need two weeks instead of one."""


@dataclass(frozen=True)
class Catalogue:
    """Arrays over categories [C], products [P] and stores [S]; products lie category by category, brand by brand."""

    names: tuple[str, ...]
    departments: tuple[str, ...]
    subcategories: tuple[tuple[str, ...], ...]
    penetration: np.ndarray
    """float64 [C]: share of baskets with the category."""
    adjust: np.ndarray
    """float64 [C]: correction of each category's rate, found by simulation."""
    more: np.ndarray
    """float64 [C]: chance of one more line where a basket has the category."""
    tau_days: np.ndarray
    """float64 [C]: days that home stock lasts."""
    price_response: np.ndarray
    """float64 [C]: category's factor on price response in the form `fatigue`; its mean is about 1."""
    perishable: np.ndarray
    tax_bp: np.ndarray

    category: np.ndarray
    """int32 [P]."""
    brand: np.ndarray
    """int32 [P]: 0 is the private label."""
    starts: np.ndarray
    """int64 [C + 1]: products of category c are starts[c]:starts[c + 1]."""
    brand_starts: np.ndarray
    """int64 [C, brands + 1]: products of a brand, which lie side by side."""
    subcategory: np.ndarray
    popularity: np.ndarray
    """float64 [P]: utility at the regular price."""
    base_price: np.ndarray
    """float64 [P]: cents."""
    margin: np.ndarray
    """float64 [P]: gross margin at the start, a share of the regular price."""
    supplier_id: np.ndarray
    """int64 [P]."""
    lead_weeks: np.ndarray
    """int64 [P]."""

    store_zone: np.ndarray
    """int64 [S]."""

    @property
    def private(self) -> np.ndarray:
        """bool [P]: products of the private label."""
        return self.brand == 0


def build(spec: ChainSpec) -> Catalogue:
    """The catalogue of a world."""
    found = json.loads(CATEGORIES.read_text(encoding="utf-8"))["categories"][: spec.categories]
    levels = json.loads(LEVELS.read_text(encoding="utf-8"))
    sizes = _sizes(np.array([one["products"] for one in found], float), spec)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    category = np.repeat(np.arange(len(found), dtype=np.int32), sizes)
    brand_starts = _brand_starts(sizes, starts, np.array([one["private_label_share"] for one in found]), spec)
    bounds = brand_starts[:, 1:-1]
    positions = np.arange(len(category))
    brand = (positions[:, None] >= bounds[category]).sum(axis=1).astype(np.int32)
    departments = tuple(one["department"] for one in found)
    numbers = np.arange(len(found))
    subcategories = tuple(tuple(one["subcategories"]) or (one["name"],) for one in found)
    many = np.array([len(names) for names in subcategories])
    supplier = _suppliers(category, brand, spec)
    return Catalogue(
        names=tuple(one["name"] for one in found),
        departments=departments,
        subcategories=subcategories,
        penetration=np.array([one["penetration"] for one in found]),
        adjust=np.array([levels[one["name"]] for one in found]),
        more=_more(found),
        tau_days=28 * np.exp(0.5 * normal(stream(spec.seed, "tau"), numbers)),
        price_response=np.exp(0.5 * normal(stream(spec.seed, "category response"), numbers) - 0.125),
        perishable=np.array([name in PERISHABLE for name in departments]),
        tax_bp=np.array([TAX_BP if name in TAXED else 0 for name in departments], np.int64),
        category=category,
        brand=brand,
        starts=starts,
        brand_starts=brand_starts,
        subcategory=(uniform(stream(spec.seed, "subcategory"), positions) ** 1.5 * many[category]).astype(np.int64),
        popularity=_popularity(category, brand, starts, spec),
        base_price=_prices(np.array([one["median_price_cents"] for one in found]), category, brand, spec),
        margin=_margins(category, brand, spec),
        supplier_id=supplier,
        lead_weeks=1 + (uniform(stream(spec.seed, "lead"), supplier) < LATE_SUPPLIERS).astype(np.int64),
        store_zone=np.arange(spec.stores) % spec.zones,
    )


def _sizes(real: np.ndarray, spec: ChainSpec) -> np.ndarray:
    """Products per category, in proportion to the real ones, at least two a brand, exactly `spec.products` in all."""
    least = 2 * spec.brands
    sizes = np.maximum(least, np.floor(real / real.sum() * spec.products)).astype(np.int64)
    order = np.argsort(-sizes, kind="stable")
    surplus = int(sizes.sum()) - spec.products
    for place in cycle(order):
        if surplus == 0:
            break
        step = int(np.sign(surplus)) * min(abs(surplus), max(1, int(sizes[place]) // 20))
        step = min(step, int(sizes[place]) - least)
        sizes[place] -= step
        surplus -= step
    return sizes


def _more(found: list[dict[str, Any]]) -> np.ndarray:
    """From lines per basket that has the category: the mean of a geometric number."""
    lines = LINES_PER_BASKET * np.array([one["share"] / one["penetration"] for one in found])
    return np.clip(1 - 1 / lines, 0.02, 0.6)


def _brand_starts(sizes: np.ndarray, starts: np.ndarray, private_share: np.ndarray, spec: ChainSpec) -> np.ndarray:
    """Where each brand's products begin: the private label has its real share of lines, the others fall off."""
    weights = (np.arange(spec.brands - 1) + 1.0) ** -BRAND_DECAY
    private = np.clip(private_share, 0.03, 0.75)
    shares = np.column_stack([private, (1 - private)[:, None] * weights / weights.sum()])
    # Two products for each brand, the rest by share.
    rest = sizes - 2 * spec.brands
    ends = 2 * np.arange(1, spec.brands + 1) + np.floor(np.cumsum(shares, axis=1) * rest[:, None] + 1e-9).astype(int)
    ends[:, -1] = sizes
    return starts[:-1, None] + np.column_stack([np.zeros(len(sizes), int), ends])


def _popularity(category: np.ndarray, brand: np.ndarray, starts: np.ndarray, spec: ChainSpec) -> np.ndarray:
    """A Zipf tail within each category, in an order that has nothing to do with brands."""
    positions = np.arange(len(category))
    order = np.lexsort([uniform(stream(spec.seed, "rank"), positions), category])
    rank = np.empty(len(category))
    rank[order] = positions - starts[category]
    own = 0.5 * normal(stream(spec.seed, "popularity"), positions)
    return -0.872 * np.log(rank + 1.5) + own + PRIVATE_APPEAL * (brand == 0)


def _prices(medians: np.ndarray, category: np.ndarray, brand: np.ndarray, spec: ChainSpec) -> np.ndarray:
    spread = np.exp(0.45 * normal(stream(spec.seed, "price"), np.arange(len(category))))
    level = np.where(brand == 0, PRIVATE_PRICE, 1.0) * PRICE_LEVEL
    return np.maximum(np.round(medians[category] * spread * level), 10.0)


def _margins(category: np.ndarray, brand: np.ndarray, spec: ChainSpec) -> np.ndarray:
    by_category = 0.24 + 0.10 * uniform(stream(spec.seed, "category margin"), category)
    own = 0.04 * ndtri(uniform(stream(spec.seed, "margin"), np.arange(len(category))))
    return np.clip(by_category + 0.09 * (brand == 0) + own, 0.08, 0.50)


def _suppliers(category: np.ndarray, brand: np.ndarray, spec: ChainSpec) -> np.ndarray:
    """The private label has one supplier per category, a national brand its maker, who makes several categories."""
    maker = 1_000 + (uniform(stream(spec.seed, "maker"), category, brand) * 300).astype(np.int64)
    return np.where(brand == 0, 100 + category, maker)
