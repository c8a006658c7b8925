"""The world at the start of a week, and what happened in one: plain arrays that can be saved and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupon_pipeline.simulation.prices import PriceState
from coupon_pipeline.simulation.shelves import Movements, Shelves

ISSUE = np.dtype(
    [
        ("issue_id", np.int64),
        ("household", np.int32),
        ("week", np.int32),
        ("coupon", np.int32),
        ("noticed", np.bool_),
        ("presents", np.bool_),
        ("used", np.bool_),
    ]
)
"""An issue: household position, week and position of its coupon's wave, and what becomes of it."""
RETURN = np.dtype(
    [
        ("household", np.int32),
        ("trip", np.int16),
        ("number", np.int16),
        ("store", np.int16),
        ("category", np.int16),
        ("product", np.int32),
        ("quantity", np.int16),
        ("regular", np.float64),
        ("shelf", np.float64),
    ]
)
"""A line that comes back, with the prices in cents at which it was bought."""


@dataclass(frozen=True)
class State:
    """The world at the start of a week; households [H], categories [C]."""

    week: int
    prices: PriceState
    shelves: Shelves
    active: np.ndarray
    """bool [H]: not in a quiet spell."""
    stock: np.ndarray
    """float32 [H, C]: home stock in days."""
    favourite: np.ndarray
    """int32 [H, C]: product that a household goes for."""
    fatigue: np.ndarray
    """float32 [H]: coupons noticed lately."""
    issues: np.ndarray
    """ISSUE: live coupons of earlier weeks."""
    returns: np.ndarray
    """RETURN: lines of the week before that come back in this one."""


@dataclass(frozen=True)
class Lived:
    """What happened in a week. Lines are those that the shelves served; prices float64 cents [Z, P]."""

    week: int
    lines: np.ndarray
    regular: np.ndarray
    shelf: np.ndarray
    cost: np.ndarray
    issues: np.ndarray
    """ISSUE: all that were live in the week, `used` as of its end."""
    returns: np.ndarray
    """RETURN: lines that came back in the week."""
    lost: int
    """Lines that no shelf could serve."""
    movements: Movements | None
