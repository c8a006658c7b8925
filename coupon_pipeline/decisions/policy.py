"""The decisions of one cycle: scores, expected costs, the allocation, and the policy that made them."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Final

import numpy as np
import pyarrow as pa

from coupon_pipeline.decisions.allocation import Allocation, allocate
from coupon_pipeline.fingerprints import code_of, fingerprint
from coupon_pipeline.snapshot.rank import category_groups
from coupon_pipeline.snapshot.value import redemption_value

OBJECTIVE: Final = "redemptions"
"""What the value counts where no randomised issues exist to learn an incremental margin from."""
POLICY: Final = "budgeted-redemptions"


@dataclass(frozen=True)
class Terms:
    """The limits and named assumptions of a cycle; all money in minor units of the source's currency."""

    budget_cents: int
    max_coupons_per_household: int
    assumed_face_value_cents: int
    issue_cost_cents: float

    def version(self, feature_hash: str, model_digest: str) -> str:
        """Digest of all that decides, given the data: terms, features, model and code."""
        code = code_of(
            "coupon_pipeline.decisions",
            "coupon_pipeline.snapshot.rank",
            "coupon_pipeline.snapshot.value",
        )
        return fingerprint(POLICY, OBJECTIVE, asdict(self), feature_hash, model_digest, code)[:12]


@dataclass(frozen=True)
class Decisions:
    """Per candidate, in the order of the candidates: float64 [n] and bool [n]."""

    probability: np.ndarray
    value: np.ndarray
    cost_cents: np.ndarray
    eligible: np.ndarray
    assigned: np.ndarray
    price: float
    spent_cents: float
    """Expected cost of all assigned pairs."""

    @property
    def score(self) -> np.ndarray:
        """What candidates are ranked by: value less the price of their cost."""
        return self.value - self.price * self.cost_cents


def face_to_expect(face_value_cents: pa.ChunkedArray, terms: Terms) -> np.ndarray:
    """Face values in cents, float64 [n], with the named assumption where the value is unknown."""
    return face_value_cents.fill_null(terms.assumed_face_value_cents).to_numpy().astype(np.float64)


def decide(candidates: pa.Table, probability: np.ndarray, terms: Terms) -> Decisions:
    """Assign the eligible candidates (see decisions.candidates; ordered by household) under the terms' limits."""
    face = face_to_expect(candidates["face_value_cents"], terms)
    value, cost = redemption_value(probability, face, terms.issue_cost_cents)
    eligible = np.asarray(candidates["refused"].is_null().to_numpy(), dtype=bool)
    households = candidates["household_id"].to_numpy()[eligible]
    offsets = (
        np.flatnonzero(np.r_[True, households[1:] != households[:-1], True]) if len(households) else np.zeros(1, int)
    )
    ties = candidates["coupon_id"].to_numpy()[eligible]
    groups = category_groups(candidates["category"].to_pylist())[eligible]
    limit, budget = terms.max_coupons_per_household, terms.budget_cents
    found: Allocation = allocate(offsets, value[eligible], cost[eligible], ties, groups, limit, budget)
    assigned = np.zeros(len(value), dtype=bool)
    assigned[np.flatnonzero(eligible)[found.chosen]] = True
    return Decisions(probability, value, cost, eligible, assigned, found.price, found.cost_cents)
