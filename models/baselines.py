"""Rules that any model has to beat: popular coupons, habitual coupon users, and buyers of the coupon's products."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np
import pyarrow as pa


def _ordered(rows: pa.Table, *columns: str) -> np.ndarray:
    """Ranks of rows by the first column, ties by the next ones (nulls lowest), scaled to [0, 1]; equal rows tie."""
    values = np.column_stack([np.nan_to_num(rows[name].to_numpy().astype(np.float64), nan=-1.0) for name in columns])
    _, ranks = np.unique(values, axis=0, return_inverse=True)
    return ranks / max(ranks.max(initial=0), 1)


def popularity(rows: pa.Table) -> np.ndarray:
    """Past redemption rate of the coupon's UPC, then of its category: the same order for every household."""
    return _ordered(rows, "coupon__upc_rate", "coupon__category_rate")


def habit(rows: pa.Table) -> np.ndarray:
    """Past redemption rate of the household, then its share of baskets with a coupon: the same for every coupon."""
    return _ordered(rows, "household__redemption_rate", "household__coupon_basket_share")


def affinity(rows: pa.Table) -> np.ndarray:
    """Spend on the coupon's products in 91 days, then ever, then on its category."""
    return _ordered(rows, "pair__spend_91d", "pair__spend", "pair__category_spend")


BASELINES: Final[dict[str, Callable[[pa.Table], np.ndarray]]] = {
    "popularity": popularity,
    "habit": habit,
    "affinity": affinity,
}
