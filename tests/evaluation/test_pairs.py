"""What a set of pairs must be before it is judged."""

from __future__ import annotations

import numpy as np
import pytest

from coupon_pipeline.evaluation.pairs import Pairs, binary, finite


def test_pairs_are_sorted_by_household_then_coupon_and_scores_follow() -> None:
    pairs = Pairs.of([9, 5, 9], [30, 20, 10], [1, 0, 0])
    assert pairs.households.tolist() == [0, 1, 1]
    assert pairs.coupons.tolist() == [1, 0, 2]
    assert pairs.redeemed.tolist() == [False, False, True]
    assert pairs.aligned([0.9, 0.5, 0.1]).tolist() == [0.5, 0.1, 0.9]
    assert pairs.household_count == 2


@pytest.mark.parametrize(
    ("households", "coupons", "labels", "message"),
    [
        ([1, 2], [1], [0, 1], "have 2, 1 and 2 values"),
        ([1, 2], [1, 1], [0, 2], "labels holds .*2"),
        ([1, 2], [1, 1], [0, np.nan], "labels holds .*nan"),
        ([1, 2], [1, 1], [0, 0], "0 redemptions in 2 pairs"),
        ([1, 2], [1, 1], [1, 1], "2 redemptions in 2 pairs"),
        ([], [], [], "households has type float64"),
        ([1, 1], [3, 3], [0, 1], "household 1 and coupon 3 come more than once"),
        ([1.0, np.nan], [1, 1], [0, 1], "households has type float64"),
        ([1, 2], ["a", "b"], [0, 1], "coupons has type"),
        ([[1], [2]], [1, 1], [0, 1], r"households has type int64 and shape \(2, 1\)"),
    ],
)
def test_bad_pairs_are_refused_by_name(households: list, coupons: list, labels: list, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pairs.of(households, coupons, labels)


def test_a_missing_or_infinite_score_is_refused_with_the_name_of_its_model() -> None:
    pairs = Pairs.of([1, 2], [1, 1], [0, 1])
    with pytest.raises(ValueError, match="habit holds nan at position 1"):
        pairs.aligned([0.1, np.nan], "habit")
    with pytest.raises(ValueError, match="habit holds inf at position 0"):
        pairs.aligned([np.inf, 0.1], "habit")
    with pytest.raises(ValueError, match="habit has 1 values for 2 pairs"):
        pairs.aligned([0.1], "habit")


def test_arrays_must_be_flat() -> None:
    with pytest.raises(ValueError, match=r"labels has shape \(1, 2\)"):
        binary([[0, 1]])
    with pytest.raises(ValueError, match=r"scores has shape \(1, 2\)"):
        finite("scores", [[0.0, 1.0]])
