"""The rules that any model has to beat: orders made of past rates and past spend alone."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.baselines import BASELINES, affinity, habit, popularity
from tests.models.rows import NAMES, offered


def rows(**columns: list[float | None]) -> pa.Table:
    """Rows with the given columns; the others are 0."""
    count = len(next(iter(columns.values())))
    return pa.table({name: pa.array(columns.get(name, [0.0] * count), pa.float64()) for name in NAMES})


def test_popular_coupons_come_first_and_their_category_breaks_ties() -> None:
    table = rows(coupon__upc_rate=[0.1, 0.3, 0.1], coupon__category_rate=[0.2, 0.0, 0.1])
    assert popularity(table).tolist() == [0.5, 1.0, 0.0]


def test_habitual_users_come_first_and_their_coupon_baskets_break_ties() -> None:
    table = rows(household__redemption_rate=[0.1, 0.3, 0.1], household__coupon_basket_share=[0.2, 0.0, 0.1])
    assert habit(table).tolist() == [0.5, 1.0, 0.0]


def test_buyers_come_first_by_recent_spend_then_all_spend_then_that_in_the_category() -> None:
    table = rows(pair__spend_91d=[0, 9, 0, 0], pair__spend=[5, 0, 8, 5], pair__category_spend=[1, 0, 0, 2])
    assert affinity(table).tolist() == pytest.approx([0, 1, 2 / 3, 1 / 3])


def test_what_is_not_known_ranks_below_nothing() -> None:
    table = rows(household__redemption_rate=[0.0, None, 0.0], household__coupon_basket_share=[0.0, 0.5, None])
    assert habit(table).tolist() == [1.0, 0.0, 0.5]


def test_equal_rows_tie() -> None:
    assert popularity(rows(coupon__upc_rate=[0.2, 0.2, 0.2])).tolist() == [0, 0, 0]


@pytest.mark.parametrize("name", BASELINES)
def test_a_campaign_without_pairs_has_no_scores(name: str) -> None:
    assert BASELINES[name](rows(pair__spend=[])).shape == (0,)


def test_popularity_sees_the_coupon_alone_and_habit_the_household_alone() -> None:
    table = offered(households=20, coupons=10, intercept=-2).rows
    by_coupon, by_household = popularity(table).reshape(20, 10), habit(table).reshape(20, 10)
    assert np.ptp(by_coupon, axis=0).max() == 0
    assert np.ptp(by_household, axis=1).max() == 0
    assert np.ptp(by_coupon) == np.ptp(by_household) == 1


@given(st.permutations(range(30)), st.sampled_from(sorted(BASELINES)))
def test_the_order_of_rows_does_not_matter(order: list[int], name: str) -> None:
    table = offered(households=6, coupons=5, intercept=-2).rows
    assert BASELINES[name](table.take(order)).tolist() == BASELINES[name](table)[order].tolist()
