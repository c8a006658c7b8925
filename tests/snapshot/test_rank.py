"""Offers are ranked by value less the price of their cost: one household or all of them, with one result."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.snapshot.rank import category_groups, rank, rank_all

FEW = st.sampled_from([0.0, 0.1, 0.25, 0.5, 1.0])


@given(
    households=st.lists(st.lists(st.tuples(FEW, FEW), max_size=6), max_size=6),
    price=st.sampled_from([0.0, 0.5, 1.0]),
    limit=st.integers(0, 4),
    seed=st.integers(0, 100),
)
def test_all_households_at_once_get_what_each_gets_alone(
    households: list[list[tuple[float, float]]], price: float, limit: int, seed: int
) -> None:
    offsets = np.concatenate(([0], np.cumsum([len(rows) for rows in households]))).astype(np.int64)
    flat = np.array([row for rows in households for row in rows], dtype=np.float64).reshape(-1, 2)
    tie = np.random.default_rng(seed).permutation(len(flat)).astype(np.int64)
    group = np.random.default_rng(seed + 1).integers(0, 4, len(flat))
    expected = np.zeros(len(flat), dtype=bool)
    for first, last in pairwise(offsets):
        chosen = rank(flat[first:last, 0], flat[first:last, 1], price, limit, tie[first:last], group[first:last])
        expected[first + chosen] = True
    np.testing.assert_array_equal(rank_all(offsets, flat[:, 0], flat[:, 1], price, limit, tie, group), expected)


def test_the_best_score_comes_first_and_the_lower_id_breaks_a_tie() -> None:
    value, cost = np.array([0.3, 0.9, 0.3, 0.5]), np.array([1.0, 8.0, 1.0, 1.0])
    assert rank(value, cost, 0.1, 3, np.array([7, 1, 5, 9]), np.arange(4)).tolist() == [3, 2, 0]


def test_of_each_category_only_the_best_is_offered_and_unknown_categories_do_not_meet() -> None:
    value, cost = np.array([0.3, 0.9, 0.6, 0.5, 0.4]), np.zeros(5)
    groups = category_groups(["milk", "milk", None, None, "bread"])
    assert rank(value, cost, 0.0, 9, np.arange(5), groups).tolist() == [1, 2, 3, 4]


def test_an_offer_that_only_just_pays_its_cost_is_not_made() -> None:
    assert rank(np.array([0.5, 0.4]), np.array([1.0, 1.0]), 0.5, 5, np.array([1, 2]), np.arange(2)).tolist() == []


def test_a_score_that_is_not_a_number_is_never_offered() -> None:
    assert rank(np.array([np.nan, 0.1]), np.ones(2), 0.0, 5, np.array([1, 2]), np.arange(2)).tolist() == [1]


@pytest.mark.parametrize("offsets", [[0, 1], [1, 2], [0, 2, 1, 2], []])
def test_offsets_that_do_not_cover_the_rows_are_refused(offsets: list[int]) -> None:
    with pytest.raises(ValueError, match="offsets"):
        rank_all(np.array(offsets, dtype=np.int64), np.ones(2), np.ones(2), 0.0, 1, np.array([1, 2]), np.arange(2))
