"""The coupon routes as an application: what the guard has let through is asked of the ledger."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from serving import openapi
from serving.coupon_operations import OPERATIONS, Operation
from serving.desk import Desk
from serving.problem import Problem, describe, internal_error
from serving.refusals import problem_of
from serving.route import ADMITTED, Admitted

from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError

HEADERS: Final = {"cache-control": "no-store"}

logger = logging.getLogger(__name__)


def routes(desk: Callable[[], Desk]) -> list[Route]:
    """Routes below /v1; `desk` gives the ledger of the process when a request comes."""
    found = [
        Route(operation.path.removeprefix("/v1"), _endpoint(operation, desk), methods=["POST"])
        for operation in OPERATIONS
    ]
    document = orjson.dumps(openapi.document())

    async def described(request: Request) -> Response:
        return Response(document, media_type="application/json")

    return [*found, Route("/openapi.json", described, methods=["GET"])]


def _endpoint(operation: Operation, desk: Callable[[], Desk]) -> Callable[[Request], Awaitable[Response]]:
    names_code = Reason.UNKNOWN_CODE in operation.reasons

    async def answered(request: Request) -> Response:
        asked = request.scope.get(ADMITTED)
        if not isinstance(asked, Admitted) or asked.client is None:
            # Whoever serves these routes without the guard has left the door open.
            return Problem(401, "unauthorized", "These routes answer behind the guard alone: `make serve`.").response()
        client = asked.client.name
        is_code = names_code and getattr(asked.body, "code", None) is not None
        try:
            done = await desk().ask(client, lambda ledger: operation.call(ledger, client, asked), is_code)
            return Response(orjson.dumps(done), headers=HEADERS, media_type="application/json")
        except (RefusalError, UnavailableError) as error:
            return problem_of(error).response()
        except Exception as error:  # boundary: BentoML would log the values of the request
            logger.error("no answer to %s: %s", operation.path, describe(error))
            return internal_error().response()

    return answered
