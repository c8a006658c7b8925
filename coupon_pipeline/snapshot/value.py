"""What issuing a coupon is worth and what it is expected to cost."""

from __future__ import annotations

import numpy as np


def redemption_value(
    probability: np.ndarray, cost_face_cents: np.ndarray, issue_cost_cents: float
) -> tuple[np.ndarray, np.ndarray]:
    """Value and expected cost per pair under the objective `redemptions`, both float64 [n].

    `probability` float64 [n] is that of a redemption, `cost_face_cents` float64 [n] what one redemption costs. The
    value is the expected number of redemptions; the cost, in cents, adds `issue_cost_cents`, redeemed or not.
    """
    return probability, probability * cost_face_cents + issue_cost_cents
