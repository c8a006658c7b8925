"""The value of an offer counts redemptions; its cost counts the face value and the sending."""

from __future__ import annotations

import numpy as np

from coupon_pipeline.snapshot.value import redemption_value


def test_cost_is_expected_face_value_plus_the_cost_of_issuing() -> None:
    value, cost = redemption_value(np.array([0.0, 0.5]), np.array([100.0, 200.0]), 0.2)
    assert value.tolist() == [0.0, 0.5]
    assert cost.tolist() == [0.2, 100.2]
