"""Says which groups of features speak for an offer, by asking the model again without them."""

from __future__ import annotations

from typing import Final, get_args

import numpy as np

from serving.schemas import Reason

from coupon_pipeline.snapshot.bundle import Bundle

CODES: Final[tuple[Reason, ...]] = get_args(Reason)
"""By group of features: household, coupon, pair."""


def reasons(bundle: Bundle, rows: np.ndarray, raw: np.ndarray) -> list[list[Reason]]:
    """Per row the codes of the groups of features that raise its score, strongest first.

    `rows` are float64 [n, F] in model order, `raw` their raw scores, float64 [n]. The effect of a group is the raw
    score less the one with the group's features at their typical values.
    """
    groups = bundle.feature_groups == np.arange(len(CODES))[:, None]
    without = np.where(groups[:, None, :], bundle.typical_features, rows)
    effect = raw - bundle.content.trees.raw(without.reshape(-1, rows.shape[1])).reshape(len(CODES), len(rows))
    order = np.argsort(-effect, axis=0, kind="stable").T.tolist()
    return [[CODES[group] for group in groups if effect[group, row] > 0] for row, groups in enumerate(order)]
