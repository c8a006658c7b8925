"""Finds the rows of a fact whose key was clean in one of the weeks before: a file that was sent again."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts.judging.positions import among
from coupon_pipeline.contracts.judging.surroundings import WEEKS_BACK, Past

NO_KEYS = np.empty(0, np.uint64)
ODD = np.uint64(0x9E3779B97F4A7C15)
FIRST, SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


def hashed(table: pa.Table, key: Sequence[str]) -> np.ndarray:
    """A uint64 per row that equal keys share; a key with a null gets 0, and repeats nothing.

    Two of the 10**6 keys of nine weeks share a hash by chance once in 10**7 runs.
    """
    found = np.zeros(table.num_rows, np.uint64)
    whole = np.ones(table.num_rows, bool)
    for name in key:
        cells = table.column(name)
        if cells.null_count:
            whole &= cells.is_valid().to_numpy()
        found = _mixed(found + ODD + _as_integers(cells))
    found[~whole] = 0
    return found


def repeated(keys: Sequence[np.ndarray]) -> np.ndarray:
    """The hashes that occur more than once in all these, sorted; few, so that weeks are searched fast."""
    everything = np.sort(np.concatenate([NO_KEYS, *keys]))
    again = everything[1:][everything[1:] == everything[:-1]]
    return np.unique(again[again > 0])


class Window:
    """The clean keys of the last weeks, as they move along; of all keys it keeps the few that occur more than once."""

    def __init__(self, past: Sequence[Past], suspects: np.ndarray) -> None:
        self.suspects = suspects
        self.weeks: deque[tuple[np.datetime64, np.ndarray]] = deque(maxlen=WEEKS_BACK)
        for one in past:
            self.add(one.week, one.keys)

    def seen(self, week: str, keys: np.ndarray) -> np.ndarray:
        """The rows (sorted int64) whose key was clean in one of the WEEKS_BACK weeks before."""
        first = np.datetime64(week, "D") - np.timedelta64(7 * WEEKS_BACK, "D")
        clean = np.concatenate([NO_KEYS, *(found for at, found in self.weeks if at >= first)])
        return np.flatnonzero(among(keys, np.sort(clean)))

    def add(self, week: str, keys: np.ndarray) -> None:
        """Take note of a week's clean keys."""
        self.weeks.append((np.datetime64(week, "D"), keys[among(keys, self.suspects)]))


def _as_integers(cells: pa.ChunkedArray) -> np.ndarray:
    """Values as uint64, equal where they are equal; nulls become anything."""
    if pa.types.is_string(cells.type):
        return _of_texts(cells.combine_chunks().dictionary_encode())
    if pa.types.is_timestamp(cells.type):
        cells = cells.cast(pa.int64())
    elif pa.types.is_date(cells.type):
        cells = cells.cast(pa.int32())
    if cells.null_count:
        cells = pc.fill_null(cells, 0)
    return cells.to_numpy().astype(np.int64, copy=False).view(np.uint64)


def _of_texts(coded: pa.DictionaryArray) -> np.ndarray:
    if not len(coded.dictionary):
        return np.zeros(len(coded), np.uint64)
    digests = (blake2b(text.encode(), digest_size=8).digest() for text in coded.dictionary.to_pylist())
    hashes = np.frombuffer(b"".join(digests), np.dtype("<u8"))
    return hashes[coded.indices.fill_null(0).to_numpy(zero_copy_only=False)]


def _mixed(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014): every bit depends on every other."""
    values = (values ^ (values >> np.uint64(30))) * FIRST
    values = (values ^ (values >> np.uint64(27))) * SECOND
    return values ^ (values >> np.uint64(31))
