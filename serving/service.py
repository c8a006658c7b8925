"""The BentoML service: two methods that answer from the current bundle."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import bentoml
import orjson
from starlette.responses import Response

from serving.problem import Problem, describe, internal_error
from serving.recommender import recommend, score
from serving.schemas import RecommendAnswer, RecommendRequest, ScoreAnswer, ScoreRequest
from serving.snapshots import snapshots

from coupon_pipeline.snapshot.bundle import Bundle

logger = logging.getLogger(__name__)


@bentoml.service(
    name="coupon_service",
    threads=4,
    traffic={"timeout": 10},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": "recommend,score"},
)
class CouponService:
    """Offers for a household, and redemption probabilities of pairs, from the bundle that the pipeline published."""

    def __init__(self) -> None:
        self._snapshots = snapshots()
        self._snapshots.start()

    async def __is_ready__(self) -> bool:
        return self._snapshots.current is not None

    @bentoml.on_shutdown
    def close(self) -> None:
        """Stop looking for new bundles."""
        self._snapshots.stop()

    @bentoml.api(output_spec=RecommendAnswer)  # ty: ignore[invalid-argument-type] (any pydantic model will do)
    def recommend(self, request: RecommendRequest, /) -> Response:
        """Offers for one household, best first: the coupons that are worth their expected cost."""
        now = self._snapshots.now
        return self._answer(lambda bundle: {"request_id": uuid4().hex} | recommend(bundle, request, now(bundle)))

    @bentoml.api(output_spec=ScoreAnswer)  # ty: ignore[invalid-argument-type]
    def score(self, request: ScoreRequest, /) -> Response:
        """Redemption probabilities of up to 10,000 pairs of household and coupon."""
        return self._answer(lambda bundle: score(bundle, request))

    def _answer(self, make: Callable[[Bundle], dict[str, Any]]) -> Response:
        bundle = self._snapshots.current
        if bundle is None:
            return Problem(503, "no_bundle", "No bundle is loaded yet: publish one with `make run`.").response()
        try:
            return Response(orjson.dumps(make(bundle)), media_type="application/json")
        except Exception as error:  # boundary: BentoML would log the values of the request
            logger.error("no answer: %s", describe(error))
            return internal_error().response()
