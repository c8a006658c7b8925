"""Spends a budget where it is worth most: one price for a cent of budget, found by bisection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from coupon_pipeline.snapshot.rank import rank_all

BISECTIONS = 100


@dataclass(frozen=True)
class Allocation:
    """What a budget buys."""

    price: float
    """Value that a cent of expected cost must earn: 0 while the budget does not bind."""
    chosen: np.ndarray
    """bool [n]: the assigned pairs."""
    cost_cents: float
    """Expected cost of the chosen pairs; never above the budget."""


def allocate(
    offsets: np.ndarray,
    value: np.ndarray,
    cost_cents: np.ndarray,
    tie: np.ndarray,
    group: np.ndarray,
    limit: int,
    budget_cents: float,
) -> Allocation:
    """The assignment by `rank_all` at the lowest price whose expected cost keeps within the budget.

    Rows `offsets[h]:offsets[h + 1]` of `value`, `cost_cents` (both float64 [n], cost > 0), `tie` and `group` (both
    int64 [n]) belong to household h. Spending falls as the price rises; at the best ratio of value to cost nothing is
    worth its price. Pairs whose ratios tie at that price are all left out.

    Raises ValueError for a negative budget, a cost that is not positive, a value not finite.
    """
    if not (budget_cents >= 0 and (cost_cents > 0).all() and np.isfinite(value).all()):
        raise ValueError(
            f"the budget ({budget_cents} cents) must not be negative, "
            "each expected cost must be positive and each value finite"
        )

    def at(price: float) -> Allocation:
        chosen = rank_all(offsets, value, cost_cents, price, limit, tie, group)
        return Allocation(price, chosen, float(cost_cents[chosen].sum()))

    free = at(0.0)
    if free.cost_cents <= budget_cents or not len(value):
        return free
    low, best = 0.0, at(float(np.max(value / cost_cents)) * (1 + 1e-9))
    for _ in range(BISECTIONS):
        middle = (low + best.price) / 2
        if middle in (low, best.price):
            break
        tried = at(middle)
        if tried.cost_cents <= budget_cents:
            best = tried
        else:
            low = middle
    return best
