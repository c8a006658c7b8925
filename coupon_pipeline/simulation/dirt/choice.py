"""Which rows and files a fault befalls: draws of the dirt's own, keyed by the row and never by its position."""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.simulation.keys import stream, uniform

FIRST_WEEK: Final = date(2025, 1, 6)
YEAR: Final = 52
"""Weeks of a simulated year, in which each scheduled event happens once."""


def drawn(seed: int, fault: str, *keys: np.ndarray | int) -> np.ndarray:
    """Numbers in (0, 1) of a fault's own stream, for up to three keys; one number for keys that are no arrays."""
    return uniform(stream(seed, f"dirt/{fault}"), *(np.atleast_1d(key) for key in keys))


def chosen(draws: np.ndarray, rate: float, most: float = 1.0) -> np.ndarray:
    """The rows (bool [rows]) whose draw is below `rate`, but no more than the share `most` of all rows."""
    hit = draws < rate
    allowed = int(most * len(draws))
    if np.count_nonzero(hit) > allowed:
        hit &= draws < (np.partition(draws, allowed)[allowed] if len(draws) else 0.0)
    return hit


def numbers(column: pa.ChunkedArray) -> np.ndarray:
    """A column without nulls as int64 keys: ids as they are, instants in microseconds, days, texts by their hash."""
    if pa.types.is_string(column.type):
        encoded = column.combine_chunks().dictionary_encode()
        hashes = np.array([stream(0, text) for text in encoded.dictionary.to_pylist()], np.uint64)
        return hashes[encoded.indices.to_numpy()].view(np.int64)
    if pa.types.is_date(column.type):
        column = column.cast(pa.int32())
    return pc.call_function("coalesce", [column.cast(pa.int64()), pa.scalar(-1, pa.int64())]).to_numpy()


def falls_due(seed: int, event: str, week: str) -> bool:
    """Whether the yearly event happens in a week."""
    year, number = _year_and_week(week)
    return int(drawn(seed, f"week of {event}", year)[0] * YEAR) == number


def day_of(seed: int, event: str, week: str, days: int = 7) -> int:
    """The day of the week, from 0, on which a yearly event happens."""
    return int(drawn(seed, f"day of {event}", _year_and_week(week)[0])[0] * days)


def one_of(seed: int, event: str, week: str, ids: np.ndarray) -> int:
    """The id, of those given, that a yearly event befalls."""
    draws = drawn(seed, f"who of {event}", ids, _year_and_week(week)[0])
    return int(ids[np.argmin(draws)])


def _year_and_week(week: str) -> tuple[int, int]:
    return divmod((date.fromisoformat(week) - FIRST_WEEK).days // 7, YEAR)
