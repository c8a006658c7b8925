"""The best assignment that a budget allows to somebody who knows every effect: what policies are measured against."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

BISECTIONS = 60


@dataclass(frozen=True)
class Assignment:
    """Pairs of household and coupon positions, int64 [n] each, with what they are expected to bring and pay out."""

    households: np.ndarray
    coupons: np.ndarray
    value: float
    payout: float
    bound: float
    """No assignment within the budget is worth more."""


def oracle(
    margin: np.ndarray, payout: np.ndarray, category: np.ndarray, may: np.ndarray, each: int, budget: float
) -> Assignment:
    """The most valuable pairs whose expected payout keeps within the budget.

    `margin` and `payout` are [H, J] in cents, `category` [J], `may` bool [H]. A household gets at most `each` coupons,
    of different categories. One price of a cent of payout is found by bisection (Lagrangian dual); what is left of the
    budget goes to the next best pairs, one by one.
    """
    # A little more than the best ratio, at which nothing is worth its price.
    low, high = 0.0, float(np.max(margin / np.maximum(payout, 1e-9), initial=0.0)) * (1 + 1e-9)
    chosen = _chosen(margin, category, may, each)
    if payout[chosen].sum() <= budget:
        value = float(margin[chosen].sum())
        return Assignment(*chosen, value, float(payout[chosen].sum()), value)
    for _ in range(BISECTIONS):
        price = (low + high) / 2
        spent = payout[_chosen(margin - price * payout, category, may, each)].sum()
        low, high = (price, high) if spent > budget else (low, price)
    within = _chosen(margin - high * payout, category, may, each)
    score = margin - high * payout
    bound = float(score[within].sum() + high * budget)
    rows, columns = _filled(within, _chosen(margin - low * payout, category, may, each), payout, budget)
    return Assignment(rows, columns, float(margin[rows, columns].sum()), float(payout[rows, columns].sum()), bound)


def _chosen(score: np.ndarray, category: np.ndarray, may: np.ndarray, each: int) -> tuple[np.ndarray, np.ndarray]:
    """The best coupon of each category, then the best `each` of those with a positive score, per household."""
    order = np.argsort(category, kind="stable")
    first = np.flatnonzero(np.r_[True, np.diff(category[order]) != 0])
    ranked = score[:, order]
    best = np.maximum.reduceat(ranked, first, axis=1)
    take = min(each, best.shape[1])
    top = np.argpartition(-best, take - 1, axis=1)[:, :take]
    rows = np.repeat(np.arange(len(score)), take)
    groups = top.ravel()
    ends = np.append(first[1:], len(order))
    good = (best[rows, groups] > 0) & may[rows]
    rows, groups = rows[good], groups[good]
    columns = [order[a + np.argmax(ranked[h, a:b])] for h, a, b in zip(rows, first[groups], ends[groups], strict=True)]
    return rows, np.array(columns, np.int64)


def _filled(
    within: tuple[np.ndarray, np.ndarray], beyond: tuple[np.ndarray, np.ndarray], payout: np.ndarray, budget: float
) -> tuple[np.ndarray, np.ndarray]:
    """What keeps within the budget, with whole households of what lies just beyond as far as they fit."""
    pairs = {int(h): [] for h in within[0]}
    for h, j in zip(*within, strict=True):
        pairs[int(h)].append(int(j))
    wider: dict[int, list[int]] = {}
    for h, j in zip(*beyond, strict=True):
        wider.setdefault(int(h), []).append(int(j))
    left = budget - float(payout[within].sum())
    for household, coupons in wider.items():
        more = float(payout[household, coupons].sum() - payout[household, pairs.get(household, [])].sum())
        if 0 < more <= left:
            pairs[household] = coupons
            left -= more
    rows = [(h, j) for h, coupons in sorted(pairs.items()) for j in sorted(coupons)]
    found = np.array(rows, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]
