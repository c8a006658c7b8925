"""The outermost layer of the service: what it does not name does not exist, and what it lets through is valid."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Final
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving import bodies, headers
from serving.api_keys import ApiKeys
from serving.problem import MEDIA_TYPE, Problem, describe, internal_error, outcome_unknown
from serving.route import ADMITTED, Admitted, Route

_REQUEST_ID: Final[ContextVar[str]] = ContextVar("request_id", default="")

logger = logging.getLogger(__name__)


def request_id() -> str:
    """The name of the request that is being answered; its answer carries it as x-request-id."""
    return _REQUEST_ID.get() or uuid4().hex


class Guard:
    """An ASGI application around another one; every refusal is a Problem."""

    def __init__(
        self,
        app: ASGIApp,
        routes: Mapping[str, Route],
        has_bundle: Callable[[], bool],
        keys: ApiKeys | None = None,
        is_ledger_failing: Callable[[], bool] = lambda: False,
    ) -> None:
        self._app, self._routes = app, routes
        self._has_bundle, self._is_ledger_failing = has_bundle, is_ledger_failing
        self._keys = keys or ApiKeys({})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; a fault below becomes a 500 and one log line."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        _REQUEST_ID.set(uuid4().hex)
        answer = _Answer(send)
        try:
            await self._forward(scope, receive, answer)
            problem = self._failure(scope, answer) if answer.failed or not answer.started else None
            reason = f"status {answer.failed}"
        except Problem as refusal:
            problem, reason = refusal, ""
        except bodies.ClientGoneError:
            return None
        except Exception as error:  # boundary: a client always gets an answer, the log never a value of the request
            problem, reason = internal_error(), describe(error)
        if problem is None:
            return None
        if problem.status >= 500 and reason:
            logger.error("no answer to %s: %s", self._name(scope["path"]), reason)
        if not answer.started:
            answer.failed = 0
            await problem.response()(scope, receive, answer)
        return None

    def _name(self, path: str) -> str | None:
        if path in self._routes:
            return path
        folder = f"/{path.split('/')[1]}/*" if path.count("/") > 1 else ""
        return folder if folder in self._routes else None

    def _failure(self, scope: Scope, answer: _Answer) -> Problem:
        """What a client is told where the application failed; one that wrote something may have done its work."""
        name = self._name(scope["path"])
        changes = name is not None and self._routes[name].needs_key
        return outcome_unknown() if changes and answer.failed == 504 else internal_error()

    async def _forward(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        name = self._name(scope["path"])
        if name is None:
            known = ", ".join(sorted(self._routes))
            raise Problem(404, "not_found", f"There is no such path; the service has {known}.")
        route = self._routes[name]
        if scope["method"] not in route.methods:
            allowed = ", ".join(route.methods)
            raise Problem(405, "method_not_allowed", f"{name} takes {allowed}.", headers={"allow": allowed})
        client = headers.client(scope, route, self._keys)
        asked = None
        if route.body is not None:
            headers.check_content_type(scope)
        key = headers.idempotency_key(scope, route)
        if route.body is not None:
            body = await bodies.read(receive, route.max_bytes)
            asked, receive = bodies.valid(body, route), bodies.replay(body, receive)
        self._check_ready(route)
        await self._app({**scope, ADMITTED: Admitted(client, key, asked)}, receive, answer)

    def _check_ready(self, route: Route) -> None:
        if route.needs_ledger and self._is_ledger_failing():
            raise Problem(503, "ledger_failing", "The ledger has failed several times in a row: see its database.")
        if route.needs_bundle and not self._has_bundle():
            detail = "No bundle is loaded yet: publish one with `make run`; it is then picked up."
            raise Problem(503, "no_bundle", detail)


class _Answer:
    """Passes an answer on with the headers that all have.

    A failure (5xx) of the application is held back, unless it is a problem already: the guard words it itself.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.failed = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            given = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"server"]
            if message["status"] >= 500 and (b"content-type", MEDIA_TYPE.encode()) not in given:
                self.failed = message["status"]
            added = [(b"x-request-id", request_id().encode()), (b"x-content-type-options", b"nosniff")]
            message = {**message, "headers": [*given, *added]}
        if not self.failed:
            self.started = True
            await self._send(message)
