"""Sets of row positions and of keys as sorted arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

NO_ROWS = np.empty(0, np.int64)


def among(values: np.ndarray, few: np.ndarray) -> np.ndarray:
    """Which values (bool [n]) occur in `few`, which is sorted: faster than numpy.isin where it is short."""
    if not few.size:
        return np.zeros(len(values), bool)
    return few[np.searchsorted(few, values).clip(max=few.size - 1)] == values


def union(parts: Iterable[np.ndarray]) -> np.ndarray:
    """The positions that occur in any of the parts, sorted."""
    found = [part for part in parts if part.size]
    return np.unique(np.concatenate(found)) if found else NO_ROWS
