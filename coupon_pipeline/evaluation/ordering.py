"""One model's order of the pairs, from which weighted AUC and average precision follow in a single pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Tally:
    """Weights around each of the B runs of equal scores that hold a positive, best run first; all arrays are [B].

    `found` is the weight of the run's positives, `above` that of all rows before the run, `through` that of all
    rows up to its end, `total` that of all rows.
    """

    found: NDArray[np.int64]
    above: NDArray[np.int64]
    through: NDArray[np.int64]
    total: int

    def auc(self) -> float:
        """Area under the ROC curve, ties count one half; nan unless both labels have weight.

        The Mann-Whitney form (Hanley and McNeil, 1982): the share of positive-negative pairs in the right order.
        """
        positives = int(self.found.sum())
        negatives = self.total - positives
        if not positives or not negatives:
            return float("nan")
        negatives_above = self.above - (np.cumsum(self.found) - self.found)
        negatives_tied = self.through - self.above - self.found
        twice_beaten = 2 * (negatives - negatives_above) - negatives_tied
        return float((self.found * twice_beaten).sum() / (2 * positives * negatives))

    def ap(self) -> float:
        """Average precision, step-wise over distinct scores, as scikit-learn; nan if no positive has weight."""
        positives = int(self.found.sum())
        if not positives:
            return float("nan")
        weighted = self.found > 0
        precision = np.cumsum(self.found)[weighted] / self.through[weighted]
        return float(self.found[weighted] @ precision / positives)


@dataclass(frozen=True)
class Ordering:
    """Rows by descending score, sorted once, so that many weightings can be tallied. Build with `Ordering.of`.

    `rows` [n] holds the row at each rank and `positives` [P] the ranks of the positives. Of the B runs of equal
    scores that hold a positive, `starts` and `ends` [B] are the first rank and the one after the last, and `firsts`
    [B] the index in `positives` of the first positive.
    """

    rows: NDArray[np.intp]
    positives: NDArray[np.intp]
    starts: NDArray[np.intp]
    ends: NDArray[np.intp]
    firsts: NDArray[np.intp]

    @classmethod
    def of(cls, positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> Ordering:
        """The order of rows with labels `positive` [n], at least one of them true, by `scores` [n]."""
        rows = np.argsort(-scores, kind="stable")
        run_starts = np.flatnonzero(changes(scores[rows]))
        positives = np.flatnonzero(positive[rows])
        runs, firsts = np.unique(np.searchsorted(run_starts, positives, side="right") - 1, return_index=True)
        ends = np.append(run_starts[1:], len(rows))
        return cls(rows, positives, run_starts[runs], ends[runs], firsts)

    def tally(self, weights: NDArray[np.int64]) -> Tally:
        """The tally with a weight [n] for each rank (not row): a weight of k is the row repeated k times."""
        before = np.zeros(len(weights) + 1, dtype=np.int64)
        np.cumsum(weights, out=before[1:])
        found = np.add.reduceat(weights[self.positives], self.firsts)
        return Tally(found, before[self.starts], before[self.ends], int(before[-1]))


def changes(*keys: NDArray) -> NDArray[np.bool_]:
    """True for each row [n] of sorted keys that differs from the row before it, and for the first."""
    changed = np.ones(len(keys[0]), dtype=np.bool_)
    changed[1:] = np.logical_or.reduce([key[1:] != key[:-1] for key in keys])
    return changed
