"""Keyed draws: pure functions of seed, stream and keys, uniform on (0, 1)."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from coupon_pipeline.simulation.keys import draw, normal, stream, uniform

KEYS = st.integers(-(2**40), 2**40)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 2**31), KEYS, KEYS, KEYS)
def test_compiled_and_array_draws_agree_to_the_bit(seed: int, a: int, b: int, c: int) -> None:
    start = stream(seed, "same")
    assert draw(start, a, b, c) == uniform(start, np.array([a]), b, c)[0]


def test_a_draw_does_not_depend_on_its_neighbours_or_on_shape() -> None:
    start, ids = stream(1, "shape"), np.arange(1_000)
    whole = uniform(start, ids, 7)
    assert np.array_equal(whole[300:400], uniform(start, ids[300:400], 7))
    assert np.array_equal(uniform(start, ids[:, None], np.arange(5)[None, :])[:, 3], uniform(start, ids, 3))


def test_draws_are_uniform_uncorrelated_and_never_0_or_1() -> None:
    u = uniform(stream(3, "fit"), np.arange(200_000))
    assert 0 < u.min() < u.max() < 1
    assert kstest(u, "uniform").pvalue > 0.001
    assert abs(np.corrcoef(u[:-1], u[1:])[0, 1]) < 0.01
    assert np.isfinite(normal(stream(3, "fit"), np.arange(200_000))).all()


def test_streams_and_seeds_are_told_apart() -> None:
    ids = np.arange(50)
    draws = {tuple(uniform(stream(seed, name), ids)) for seed in (1, 2) for name in ("a", "b")}
    assert len(draws) == 4
