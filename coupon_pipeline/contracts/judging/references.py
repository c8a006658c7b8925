"""Which keys of another table were known in which week: what a foreign key is held against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa


@dataclass(frozen=True)
class Reference:
    """Keys of a published table.

    `keys` are sorted and unique; `first_week` names, key by key, the first week in which it was known, as ISO text
    (`2017-01-02`) or datetime64. Raises ValueError where that does not hold.
    """

    keys: np.ndarray
    first_week: np.ndarray

    def __post_init__(self) -> None:
        if self.keys.shape != self.first_week.shape or self.keys.ndim != 1:
            raise ValueError(f"keys {self.keys.shape} and first_week {self.first_week.shape}: give one week per key")
        if self.keys.size and not bool(np.all(self.keys[1:] > self.keys[:-1])):
            raise ValueError("the keys of a reference must be sorted and unique: use numpy.unique")


def known_weeks(values: pa.ChunkedArray, weeks: np.ndarray, reference: Reference) -> np.ndarray:
    """For how many weeks each value has been a key in the row's week (datetime64[D], one per row), as float64 [rows].

    Negative where it became a key only later, minus infinity where it never did, nan where there is no value.
    """
    import pandas as pd

    known = np.full(len(values), -np.inf)
    present = values.is_valid().to_numpy() if values.null_count else np.ones(len(values), bool)
    known[~present] = np.nan
    # A hash table is several times as fast as a binary search among 10**5 keys.
    places = pd.Index(reference.keys).get_indexer(values.drop_null().to_numpy())
    rows = np.flatnonzero(present)[places >= 0]
    first = reference.first_week.astype("datetime64[D]")[places[places >= 0]]
    known[rows] = (weeks[rows] - first).astype(np.int64) // 7
    return known
