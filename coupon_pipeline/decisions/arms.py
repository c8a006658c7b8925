"""Which households are held out for good, whose turn a cycle is, and who explores: keyed hashes of the household."""

from __future__ import annotations

import hashlib
from datetime import date

import numpy as np

_GOLDEN, _FIRST, _SECOND = (np.uint64(n) for n in (0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB))


def keyed_share(household_ids: np.ndarray, salt: str) -> np.ndarray:
    """A number in [0, 1) per household, float64 [n], fixed by salt and id (finaliser of splitmix64)."""
    start = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little")
    x = np.uint64(start) + _GOLDEN * np.asarray(household_ids).astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * _FIRST
    x = (x ^ (x >> np.uint64(27))) * _SECOND
    x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)).astype(np.float64) * 2.0**-53


def is_held_out(household_ids: np.ndarray, salt: str, percent: float) -> np.ndarray:
    """bool [n]: households that are never issued anything, so that the others have something to be compared with."""
    return keyed_share(household_ids, f"{salt}/holdout") < percent / 100


def is_due(household_ids: np.ndarray, salt: str, cycle: date, every: int) -> np.ndarray:
    """bool [n]: households that the cycle (named by its Monday) decides; each is due once in `every` cycles.

    A decision and its outcome window are one unit where coupons live `every` weeks.
    """
    turn = np.floor(keyed_share(household_ids, f"{salt}/turn") * every).astype(np.int64)
    return turn == (cycle.toordinal() // 7) % every


def explores(household_ids: np.ndarray, salt: str, cycle: date, percent: float) -> np.ndarray:
    """bool [n]: households that get uniformly drawn coupons in this cycle instead of the policy's."""
    return keyed_share(household_ids, f"{salt}/explore/{cycle.isoformat()}") < percent / 100
