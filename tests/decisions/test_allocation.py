"""A budget is spent where it is worth most, never overspent, and one price says what a cent of it must earn."""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.decisions.allocation import Allocation, allocate
from coupon_pipeline.snapshot.rank import rank_all


class Pairs(NamedTuple):
    """The pairs of some households, as `allocate` takes them."""

    offsets: np.ndarray
    value: np.ndarray
    cost: np.ndarray
    tie: np.ndarray
    group: np.ndarray

    def allocate(self, budget: float, limit: int = 99) -> Allocation:
        return allocate(self.offsets, self.value, self.cost, self.tie, self.group, limit, budget)


def pairs(*households: list[tuple[float, float]]) -> Pairs:
    """Pairs from (value, cost in cents), one list per household."""
    offsets = np.concatenate(([0], np.cumsum([len(rows) for rows in households]))).astype(np.int64)
    flat = np.array([row for rows in households for row in rows], dtype=np.float64).reshape(-1, 2)
    ids = np.arange(len(flat))
    return Pairs(offsets, flat[:, 0].copy(), flat[:, 1].copy(), ids, ids)


VALUES = st.integers(-4, 16).map(lambda n: n / 16)
COSTS = st.integers(1, 8).map(lambda n: n / 2)
"""Fractions of two: sums and products of them are exact, so that no bound needs a tolerance."""
PAIR = st.tuples(VALUES, COSTS)
HOUSEHOLDS = st.lists(st.lists(PAIR, max_size=5), max_size=6).map(lambda rows: pairs(*rows))
FEW = st.lists(st.lists(PAIR, max_size=4), min_size=1, max_size=2).map(lambda rows: pairs(*rows))
BUDGETS = st.integers(0, 60).map(lambda n: n / 2)
LIMITS = st.integers(1, 4)


def best_value(made: Pairs, budget: float, limit: int) -> float:
    """The highest value of any choice within budget and limit, by trying them all."""
    n = len(made.value)
    choices = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    per_household = np.stack([choices[:, a:b].sum(axis=1) for a, b in pairwise(made.offsets)])
    allowed = (choices @ made.cost <= budget) & (per_household <= limit).all(axis=0)
    return float((choices @ made.value)[allowed].max())


@given(made=HOUSEHOLDS, budget=BUDGETS, limit=LIMITS)
def test_the_expected_cost_never_exceeds_the_budget(made: Pairs, budget: float, limit: int) -> None:
    found = made.allocate(budget, limit)
    assert found.cost_cents == made.cost[found.chosen].sum() <= budget


@given(made=HOUSEHOLDS, budget=BUDGETS, limit=LIMITS)
def test_no_household_gets_more_than_the_limit(made: Pairs, budget: float, limit: int) -> None:
    chosen = made.allocate(budget, limit).chosen
    assert all(chosen[a:b].sum() <= limit for a, b in pairwise(made.offsets))


@given(made=HOUSEHOLDS, budget=BUDGETS, limit=LIMITS)
def test_no_household_gets_two_coupons_of_a_category(made: Pairs, budget: float, limit: int) -> None:
    grouped = made._replace(group=made.tie % 3)
    found = grouped.allocate(budget, limit)
    assert found.cost_cents <= budget
    for first, last in pairwise(made.offsets):
        groups = grouped.group[first:last][found.chosen[first:last]]
        assert len(set(groups.tolist())) == len(groups)


@given(made=HOUSEHOLDS, prices=st.tuples(VALUES, VALUES), limit=LIMITS)
def test_a_higher_price_never_spends_more_on_categories_either(
    made: Pairs, prices: tuple[float, float], limit: int
) -> None:
    at_low, at_high = (
        made.cost[rank_all(made.offsets, made.value, made.cost, abs(price), limit, made.tie, made.tie % 2)].sum()
        for price in sorted(prices, key=abs)
    )
    assert at_high <= at_low


@given(made=HOUSEHOLDS, budget=BUDGETS, limit=LIMITS)
def test_every_chosen_pair_is_worth_more_than_the_price_of_its_cost(made: Pairs, budget: float, limit: int) -> None:
    found = made.allocate(budget, limit)
    assert (made.value - found.price * made.cost > 0)[found.chosen].all()


@given(made=HOUSEHOLDS, budget=BUDGETS, limit=LIMITS)
def test_the_assignment_is_the_ranking_at_the_published_price(made: Pairs, budget: float, limit: int) -> None:
    found = made.allocate(budget, limit)
    ranked = rank_all(made.offsets, made.value, made.cost, found.price, limit, made.tie, made.group)
    np.testing.assert_array_equal(found.chosen, ranked)


@given(made=HOUSEHOLDS, prices=st.tuples(VALUES, VALUES), limit=LIMITS)
def test_a_higher_price_never_spends_more(made: Pairs, prices: tuple[float, float], limit: int) -> None:
    at_low, at_high = (
        made.cost[rank_all(made.offsets, made.value, made.cost, abs(price), limit, made.tie, made.group)].sum()
        for price in sorted(prices, key=abs)
    )
    assert at_high <= at_low


@given(made=HOUSEHOLDS, budgets=st.tuples(BUDGETS, BUDGETS), limit=LIMITS)
def test_a_larger_budget_never_raises_the_price_nor_lowers_the_spending(
    made: Pairs, budgets: tuple[float, float], limit: int
) -> None:
    small, large = (made.allocate(budget, limit) for budget in sorted(budgets))
    assert large.price <= small.price
    assert large.cost_cents >= small.cost_cents


@given(made=HOUSEHOLDS, limit=LIMITS)
def test_the_price_is_zero_exactly_where_the_budget_does_not_bind(made: Pairs, limit: int) -> None:
    wanted = made.allocate(1e9, limit)
    assert wanted.price == 0
    assert made.allocate(wanted.cost_cents, limit).price == 0
    if wanted.cost_cents > 0:
        assert made.allocate(wanted.cost_cents - 0.5, limit).price > 0


@given(made=FEW, budget=st.integers(0, 20).map(lambda n: n / 2), limit=st.integers(1, 3))
def test_no_other_choice_is_worth_more_than_what_the_unspent_rest_could_earn(
    made: Pairs, budget: float, limit: int
) -> None:
    found = made.allocate(budget, limit)
    unspent = found.price * (budget - found.cost_cents)
    assert best_value(made, budget, limit) <= made.value[found.chosen].sum() + unspent + 1e-9


@given(
    rows=st.lists(PAIR, min_size=1, max_size=7, unique_by=lambda pair: pair[0] / pair[1]),
    budget=st.integers(0, 30).map(lambda n: n / 2),
)
def test_without_a_limit_the_best_choice_is_missed_by_less_than_one_pair(
    rows: list[tuple[float, float]], budget: float
) -> None:
    made = pairs(rows)
    found = made.allocate(budget)
    left_out = made.value[~found.chosen]
    one_pair = max(left_out.max(initial=0.0), 0.0)
    assert best_value(made, budget, len(rows)) <= made.value[found.chosen].sum() + one_pair + 1e-9


def test_a_budget_for_two_buys_the_two_that_earn_most_per_cent() -> None:
    made = pairs([(0.9, 9.0), (0.4, 2.0)], [(0.3, 1.0), (0.1, 2.0)])
    found = made.allocate(3.0)
    assert found.chosen.tolist() == [False, True, True, False]
    assert found.cost_cents == 3.0
    assert found.price == pytest.approx(0.1)


def test_a_budget_of_nothing_buys_nothing() -> None:
    found = pairs([(0.5, 1.0), (0.4, 1.0)]).allocate(0.0)
    assert found.chosen.tolist() == [False, False]
    assert found.cost_cents == 0
    assert found.price >= 0.5


def test_no_pairs_cost_nothing() -> None:
    found = pairs().allocate(0.0)
    assert (found.chosen.tolist(), found.cost_cents, found.price) == ([], 0.0, 0.0)


def test_the_same_pairs_get_the_same_price_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    made = pairs(*[list(zip(rng.random(20), rng.random(20) + 0.1, strict=True)) for _ in range(50)])
    first, second = made.allocate(40.0, 3), made.allocate(40.0, 3)
    assert first.price == second.price
    np.testing.assert_array_equal(first.chosen, second.chosen)


@pytest.mark.parametrize("budget", [-0.01, float("nan")])
def test_a_budget_below_zero_or_not_a_number_is_refused(budget: float) -> None:
    with pytest.raises(ValueError, match="budget"):
        pairs([(0.5, 1.0)]).allocate(budget)


@pytest.mark.parametrize("cost", [0.0, -1.0, float("nan")])
def test_a_cost_that_is_not_positive_is_refused(cost: float) -> None:
    with pytest.raises(ValueError, match="cost must be positive"):
        pairs([(0.5, 1.0), (0.5, cost)]).allocate(1.0)
