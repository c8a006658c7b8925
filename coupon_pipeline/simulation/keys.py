"""Keyed draws: every random number is a pure function of the world's seed, a stream's name and the keys of the thing.

A draw never depends on a position, a shard or the order of calls, so that the world with a coupon and the world
without it differ by the coupon alone. Mixing is the finaliser of splitmix64; the top 23 bits give a number in (0, 1):
with 24 the largest would round to 1.0 in single precision.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
from numba import njit
from scipy.special import ndtri

GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)
FIRST: Final = np.uint64(0xBF58476D1CE4E5B9)
SECOND: Final = np.uint64(0x94D049BB133111EB)
S30, S27, S31, S41 = np.uint64(30), np.uint64(27), np.uint64(31), np.uint64(41)
UNIT: Final = 2.0**-23


def stream(seed: int, name: str) -> np.uint64:
    """The start of a named stream of a seed."""
    return np.uint64(int.from_bytes(hashlib.blake2b(f"{seed}/{name}".encode(), digest_size=8).digest(), "little"))


@njit(inline="always")
def _mixed(x):  # noqa: ANN001, ANN202 - numba infers types; annotations would not be checked
    x = (x ^ (x >> S30)) * FIRST
    x = (x ^ (x >> S27)) * SECOND
    return x ^ (x >> S31)


@njit(inline="always")
def draw(start, a, b, c):  # noqa: ANN001, ANN201
    """A number in (0, 1) for three integer keys; the scalar twin of `uniform`, for compiled code."""
    x = _mixed(start + GOLDEN * (np.uint64(a) + np.uint64(1)))
    x = _mixed(x + GOLDEN * (np.uint64(b) + np.uint64(1)))
    x = _mixed(x + GOLDEN * (np.uint64(c) + np.uint64(1)))
    return (np.float64(x >> S41) + 0.5) * UNIT


def uniform(start: np.uint64, *keys: np.ndarray | int) -> np.ndarray:
    """Numbers in (0, 1), float64, for up to three integer keys that broadcast together; missing keys are 0."""
    x: np.ndarray = np.full(1, start, np.uint64)
    for key in (*keys, 0, 0, 0)[:3]:
        # At least one axis: NumPy warns of the overflow that is meant here where a key is a scalar.
        x = x + GOLDEN * (np.atleast_1d(key).astype(np.uint64) + np.uint64(1))
        x = (x ^ (x >> S30)) * FIRST
        x = (x ^ (x >> S27)) * SECOND
        x = x ^ (x >> S31)
    shape = np.broadcast_shapes(*(np.shape(key) for key in keys))
    return ((x >> S41).astype(np.float64) + 0.5).reshape(shape) * UNIT


def normal(start: np.uint64, *keys: np.ndarray | int) -> np.ndarray:
    """Standard normal numbers, float64, keyed as `uniform`."""
    return ndtri(uniform(start, *keys))
