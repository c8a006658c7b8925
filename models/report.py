"""How a model does on the campaigns that test it, beside the baselines and with intervals by household."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import pyarrow as pa

from models.baselines import BASELINES

from coupon_pipeline.evaluation import bootstrap, calibration, ranking

MODEL: Final = "redemption"
"""The name of the model under test in a report."""
CHAMPION: Final = "champion"
RESAMPLES: Final = 300


@dataclass(frozen=True)
class Report:
    """Labels and scores, each [n], of the model and of what it is compared with on the same distinct pairs."""

    households: np.ndarray
    coupons: np.ndarray
    labels: np.ndarray
    scores: Mapping[str, np.ndarray]

    @cached_property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Model or baseline -> metric -> value; calibration for models only."""
        found = {
            name: ranking.metrics(self.households, self.coupons, self.labels, score)
            for name, score in self.scores.items()
        }
        for name in found.keys() & {MODEL, CHAMPION}:
            found[name] |= calibration.metrics(self.labels, self.scores[name])
        return found

    @cached_property
    def comparison(self) -> bootstrap.Comparison:
        """Paired household resamples, the model as the reference."""
        return bootstrap.paired(self.households, self.coupons, self.labels, self.scores, MODEL, resamples=RESAMPLES)

    @property
    def of_model(self) -> dict[str, float]:
        """Metrics of the model under test."""
        return self.metrics[MODEL]


def measure(rows: pa.Table, probability: np.ndarray, champion: np.ndarray | None = None) -> Report:
    """Compare probabilities float64 [n] of labelled rows (see models.dataset) with the baselines and the champion's."""
    scores = {MODEL: probability} | {name: rule(rows) for name, rule in BASELINES.items()}
    if champion is not None:
        scores[CHAMPION] = champion
    return Report(rows["household_id"].to_numpy(), rows["coupon_id"].to_numpy(), rows["label"].to_numpy(), scores)
