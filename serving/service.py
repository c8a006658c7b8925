"""The BentoML service: two methods that answer from the current bundle, and the coupon routes below /v1."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import bentoml
import orjson
from starlette.applications import Starlette
from starlette.responses import Response

from serving.coupon_routes import routes
from serving.guard import request_id
from serving.problem import Problem, describe, internal_error
from serving.process import process
from serving.recommender import recommend, score
from serving.refusals import problem_of
from serving.schemas import RecommendAnswer, RecommendRequest, ScoreAnswer, ScoreRequest

from coupon_pipeline.ledger.reasons import UnavailableError
from coupon_pipeline.snapshot.bundle import Bundle

logger = logging.getLogger(__name__)


@bentoml.asgi_app(Starlette(routes=routes(lambda: process().desk)), path="/v1", name="v1")
@bentoml.service(
    name="coupon_service",
    threads=4,
    traffic={"timeout": 10},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": "recommend,score,v1"},
)
class CouponService:
    """Offers for a household, redemption probabilities of pairs, and the life of coupons."""

    def __init__(self) -> None:
        self._process = process()
        self._process.start()

    async def __is_ready__(self) -> bool:
        return self._process.snapshots.current is not None and not self._process.desk.is_failing

    @bentoml.on_shutdown
    def close(self) -> None:
        """Look for no new bundle, close the ledger."""
        self._process.stop()

    @bentoml.api(output_spec=RecommendAnswer)  # ty: ignore[invalid-argument-type] (any pydantic model will do)
    def recommend(self, request: RecommendRequest, /) -> Response:
        """Offers for one household, best first: the coupons that are worth their expected cost."""

        def made(bundle: Bundle) -> dict[str, Any]:
            may_be_sent = self._process.desk.may_be_sent
            now = self._process.snapshots.now(bundle)
            return {"request_id": request_id()} | recommend(bundle, request, now, may_be_sent)

        return self._answer(made)

    @bentoml.api(output_spec=ScoreAnswer)  # ty: ignore[invalid-argument-type]
    def score(self, request: ScoreRequest, /) -> Response:
        """Redemption probabilities of up to 10,000 pairs of household and coupon."""
        return self._answer(lambda bundle: score(bundle, request))

    def _answer(self, make: Callable[[Bundle], dict[str, Any]]) -> Response:
        bundle = self._process.snapshots.current
        if bundle is None:
            return Problem(503, "no_bundle", "No bundle is loaded yet: publish one with `make run`.").response()
        try:
            return Response(orjson.dumps(make(bundle)), media_type="application/json")
        except UnavailableError as error:
            return problem_of(error).response()
        except Exception as error:  # boundary: BentoML would log the values of the request
            logger.error("no answer: %s", describe(error))
            return internal_error().response()
