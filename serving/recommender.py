"""Computes the answers of the service from one bundle: pure functions, the same input gives the same answer."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from serving.ids import number
from serving.reasons import reasons
from serving.schemas import Reason, RecommendRequest, ScoreRequest

from coupon_pipeline.snapshot.bundle import Bundle
from coupon_pipeline.snapshot.rank import rank
from coupon_pipeline.snapshot.trees import probability
from coupon_pipeline.snapshot.value import redemption_value


def recommend(
    bundle: Bundle,
    request: RecommendRequest,
    now: datetime,
    may_be_sent: Callable[[int], bool] = lambda household: True,
) -> dict[str, Any]:
    """RecommendAnswer without its request_id, at the business time `now` (naive UTC).

    A known household gets its own eligible offers that are still valid; an unknown one the popular coupons, `degraded`.
    `may_be_sent` tells of a household that consented as the bundle knows whether it still does.
    """
    content = bundle.content
    limit = min(request.limit, content.max_per_household)
    household = bundle.household(number(request.household_id))
    today = np.datetime64(now.replace(tzinfo=UTC).astimezone(ZoneInfo(content.timezone)).date())
    answer: dict[str, Any] = {"offers": [], "degraded": household is None} | _versions(bundle)
    if household is None:
        live = content.popular[content.valid_to[content.popular] >= today]
        answer["offers"] = [_offer(bundle, coupon) for coupon in live[:limit].tolist()]
    elif content.household_consent[household] and may_be_sent(int(content.household_ids[household])):
        answer["offers"] = _own_offers(bundle, household, today, limit)
    else:
        answer["reason"] = "no_marketing_consent"
    return answer


def score(bundle: Bundle, request: ScoreRequest) -> dict[str, Any]:
    """ScoreAnswer: the redemption probability of each pair, None where the bundle holds no such pair."""
    households = np.array([number(pair.household_id) for pair in request.pairs])
    coupons = np.array([number(pair.coupon_id) for pair in request.pairs])
    pairs = bundle.find_pairs(households, coupons)
    known = np.flatnonzero(pairs >= 0)
    scores = np.full(len(pairs), None, dtype=object)
    scores[known] = probability(bundle.content.trees.raw(bundle.features(pairs[known]))).tolist()
    return {"scores": scores.tolist()} | _versions(bundle)


def _own_offers(bundle: Bundle, household: int, today: np.datetime64, limit: int) -> list[dict[str, Any]]:
    content = bundle.content
    pairs = bundle.pairs_of(household)
    pairs = pairs[content.pair_eligible[pairs] & (content.valid_to[content.pair_coupon[pairs]] >= today)]
    coupons, rows = content.pair_coupon[pairs], bundle.features(pairs)
    raw = content.trees.raw(rows)
    value, cost = redemption_value(probability(raw), content.cost_face_cents[coupons], content.issue_cost_cents)
    best = rank(value, cost, content.price, limit, content.coupon_ids[coupons], bundle.coupon_groups[coupons])
    scores = value - content.price * cost
    household_id = int(content.household_ids[household])
    return [
        _offer(bundle, int(coupons[at]), household_id, float(scores[at]), why)
        for at, why in zip(best.tolist(), reasons(bundle, rows[best], raw[best]), strict=True)
    ]


def _offer(
    bundle: Bundle,
    coupon: int,
    household_id: int | None = None,
    score: float | None = None,
    why: list[Reason] | None = None,
) -> dict[str, Any]:
    content = bundle.content
    coupon_id, face = int(content.coupon_ids[coupon]), int(content.face_value_cents[coupon])
    return {
        "decision_id": None if household_id is None else bundle.decision_id(household_id, coupon_id),
        "coupon_id": str(coupon_id),
        "name": content.coupon_names[coupon],
        "score": score,
        "value_cents": None,
        "face_value_cents": None if face < 0 else face,
        "valid_to": str(content.valid_to[coupon]),
        "reasons": why or [],
    }


def _versions(bundle: Bundle) -> dict[str, str]:
    return {"model_version": bundle.content.model_version, "bundle_version": bundle.version}
