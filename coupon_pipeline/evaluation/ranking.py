"""How well scores rank the pairs of one campaign: over all pairs, inside each household, and inside each coupon."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from coupon_pipeline.evaluation.ordering import Ordering, Tally, changes
from coupon_pipeline.evaluation.pairs import Pairs

LIST_LENGTH: Final = 16
"""Coupons in one personal mailing of Complete Journey, so the part of a household's list that can be sent."""

TOP_SHARE: Final = 20
"""One pair in this many counts as the top of the campaign: 5 %."""


def metrics(
    households: ArrayLike, coupons: ArrayLike, labels: ArrayLike, scores: ArrayLike, seed: int = 0
) -> dict[str, float]:
    """Ranking metrics of one campaign, each in [0, 1], from ids, 0/1 labels and scores, all [n].

    AUCs count a tie one half; elsewhere `seed` breaks ties at random. An AUC that no group defines (none holds both
    labels) is nan. `household_any_auc` adds up scores, so give it probabilities. Raises ValueError as `Pairs` does.
    """
    pairs = Pairs.of(households, coupons, labels)
    values = pairs.aligned(scores)
    tally = unweighted(pairs.redeemed, values)
    ndcg, recall = household_lists(pairs, values, seed)
    return {
        "auc": tally.auc(),
        "ap": tally.ap(),
        f"ndcg_at_{LIST_LENGTH}": float(np.nanmean(ndcg)),
        f"recall_at_{LIST_LENGTH}": float(np.nanmean(recall)),
        "within_household_auc": grouped_auc(pairs.households, pairs.redeemed, values),
        "per_coupon_auc": grouped_auc(pairs.coupons, pairs.redeemed, values),
        "household_any_auc": household_any_auc(pairs, values),
        "recall_at_5_percent": recall_at_top(pairs.redeemed, values, seed),
    }


def unweighted(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Tally:
    """The tally of rows with labels `positive` [n] and `scores` [n], each counted once."""
    return Ordering.of(positive, scores).tally(np.ones(len(scores), dtype=np.int64))


def household_lists(
    pairs: Pairs, scores: NDArray[np.float64], seed: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """NDCG@16 and recall@16 of each household's list of all its coupons, both [households]; nan where none is redeemed.

    A redeemed coupon at rank r gains 1 / log2(r + 1) (Järvelin and Kekäläinen, 2002); the ideal list has the redeemed
    coupons first. `scores` [n] are in the order of the pairs.
    """
    households, redeemed, count = pairs.households, pairs.redeemed, pairs.household_count
    order = np.lexsort((tie_keys(len(scores), seed), -scores, households))
    first = np.flatnonzero(changes(households))
    ranks = np.arange(len(order)) - first[households]
    listed = redeemed[order] & (ranks < LIST_LENGTH)
    owners = households[listed]
    discounts = 1 / np.log2(np.arange(LIST_LENGTH) + 2)

    positives = np.bincount(households[redeemed], minlength=count)
    ideal = np.append(np.nan, np.cumsum(discounts))[np.minimum(positives, LIST_LENGTH)]
    gained = np.bincount(owners, weights=discounts[ranks[listed]], minlength=count)
    found = np.bincount(owners, minlength=count)
    return gained / ideal, found / np.where(positives > 0, positives, np.nan)


def grouped_auc(groups: NDArray[np.int64], positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """The AUC inside each group, averaged with its positives as weights; nan if no group holds both labels.

    `groups` are codes from 0; all arrays are [n]. A group with one label only has no AUC and no weight.
    """
    order = np.lexsort((scores, groups))
    groups, positive, scores = groups[order], positive[order], scores[order]
    group_starts = np.flatnonzero(changes(groups))
    run_starts = np.flatnonzero(changes(groups, scores))
    runs = np.searchsorted(run_starts, np.flatnonzero(positive), side="right") - 1
    owners = groups[positive]

    negatives_before = np.append(0, np.cumsum(~positive))
    below = negatives_before[run_starts[runs]] - negatives_before[group_starts[owners]]
    through = negatives_before[np.append(run_starts[1:], len(order))[runs]] - negatives_before[group_starts[owners]]
    negatives = np.bincount(groups[~positive], minlength=len(group_starts))[owners]
    defined = negatives > 0
    if not defined.any():
        return float("nan")
    return float(np.mean((below + through)[defined] / (2 * negatives[defined])))


def household_any_auc(pairs: Pairs, scores: NDArray[np.float64]) -> float:
    """AUC of each household's expected redemptions (the sum of its `scores` [n]) against "redeemed anything"."""
    expected = np.bincount(pairs.households, weights=scores).astype(np.float64)
    redeemers = np.bincount(pairs.households[pairs.redeemed], minlength=pairs.household_count) > 0
    return unweighted(redeemers, expected).auc()


def recall_at_top(positive: NDArray[np.bool_], scores: NDArray[np.float64], seed: int) -> float:
    """Share of the positives among the best 5 % of all rows, rounded up to whole rows."""
    best = np.lexsort((tie_keys(len(scores), seed), -scores))[: -(-len(scores) // TOP_SHARE)]
    return float(positive[best].sum() / positive.sum())


def tie_keys(count: int, seed: int) -> NDArray[np.float64]:
    """One random key [count] per pair; pairs have one order, so a pair's key does not depend on the input's order."""
    return np.random.default_rng(seed).random(count)
