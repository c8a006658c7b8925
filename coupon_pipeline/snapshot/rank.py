"""The one ranking of offers, for all households at once in batch and for one household in the service."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def category_groups(categories: Sequence[str | None]) -> np.ndarray:
    """One number per category, int64 [n]; where the category is unknown, a number of its own."""
    numbers: dict[str, int] = {}
    return np.array(
        [
            -1 - position if category is None else numbers.setdefault(category, len(numbers))
            for position, category in enumerate(categories)
        ],
        np.int64,
    )


def rank(
    value: np.ndarray, cost_cents: np.ndarray, price: float, limit: int, tie: np.ndarray, group: np.ndarray
) -> np.ndarray:
    """Positions of the best `limit` candidates of one household, best first, int64 [<= limit].

    The score is `value - price * cost_cents` (float64 [n] each; `price` is value per cent). Only a strictly positive
    score is worth an offer; equal scores are ordered by `tie` (int64 [n], the coupon ids). Of each `group` (int64 [n],
    the categories) only the best is offered: a till honours one live coupon per household and category.
    """
    score = value - price * cost_cents
    return _best_first(np.zeros(len(score), dtype=np.int64), score, tie, group)[: max(limit, 0)]


def rank_all(
    offsets: np.ndarray,
    value: np.ndarray,
    cost_cents: np.ndarray,
    price: float,
    limit: int,
    tie: np.ndarray,
    group: np.ndarray,
) -> np.ndarray:
    """What `rank` picks for every household, as bool [n]; rows `offsets[h]:offsets[h + 1]` belong to household h.

    Raises ValueError if `offsets` (int64 [H + 1]) does not rise from 0 to n.
    """
    sizes = np.diff(offsets)
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(value) or (sizes < 0).any():
        raise ValueError(f"offsets must rise from 0 to the number of rows, {len(value)}")
    household = np.repeat(np.arange(len(sizes)), sizes)
    order = _best_first(household, value - price * cost_cents, tie, group)
    ranked = household[order]
    place = np.arange(len(order)) - np.searchsorted(ranked, ranked)
    picked = np.zeros(len(value), dtype=bool)
    picked[order[place < limit]] = True
    return picked


def _best_first(household: np.ndarray, score: np.ndarray, tie: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Positions of the best positive score per group, by household, falling score and rising tie."""
    worth = np.flatnonzero(score > 0)
    order = worth[np.lexsort((tie[worth], -score[worth], household[worth]))]
    # A stable sort: the first of a household's group is the best one.
    grouped = order[np.lexsort((group[order], household[order]))]
    first = np.ones(len(grouped), bool)
    first[1:] = (np.diff(household[grouped]) != 0) | (np.diff(group[grouped]) != 0)
    best = np.zeros(len(score), bool)
    best[grouped[first]] = True
    return order[best[order]]
