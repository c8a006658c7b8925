"""The oracle spends no more than its budget, breaks no limit, and is near its own bound."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from coupon_pipeline.simulation.truth.oracle import oracle


def problem(
    seed: int, households: int = 60, coupons: int = 12
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    margin = draw.normal(0, 3, (households, coupons))
    payout = draw.gamma(2.0, 1.0, (households, coupons))
    return margin, payout, draw.integers(0, 5, coupons), draw.random(households) < 0.9


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000), st.floats(0, 300), st.integers(1, 4))
def test_every_limit_holds(seed: int, budget: float, each: int) -> None:
    margin, payout, category, may = problem(seed)
    found = oracle(margin, payout, category, may, each, budget)
    assert found.payout <= budget + 1e-9
    assert found.value <= found.bound + 1e-6
    assert may[found.households].all()
    assert np.all(np.bincount(found.households, minlength=1) <= each)
    slots = found.households * 10 + category[found.coupons]
    assert len(np.unique(slots)) == len(slots)


def test_without_a_binding_budget_it_takes_the_best_coupons() -> None:
    margin, payout, _, _ = problem(1)
    found = oracle(margin, payout, np.arange(12), np.ones(60, bool), 1, 1e9)
    assert np.isclose(found.value, np.maximum(margin.max(axis=1), 0).sum())


def test_the_gap_to_the_bound_is_small_for_many_households() -> None:
    margin, payout, category, may = problem(2, households=4_000)
    found = oracle(margin, payout, category, may, 3, 800.0)
    assert found.value > 0.995 * found.bound
