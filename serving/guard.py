"""The outermost layer of the service: what it does not name does not exist, and what it lets through is valid."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.problem import Problem, describe, internal_error
from serving.strict_json import MalformedError, parse

BODY_SECONDS: Final = 3.0
MAX_ERRORS: Final = 20

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Route:
    """What one path takes; a path that ends in `/*` stands for everything below it."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    body: type[BaseModel] | None = None
    max_bytes: int = 0
    needs_bundle: bool = False


class Guard:
    """An ASGI application around another one; every refusal is a Problem."""

    def __init__(self, app: ASGIApp, routes: Mapping[str, Route], has_bundle: Callable[[], bool]) -> None:
        self._app, self._routes, self._has_bundle = app, routes, has_bundle

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection; a fault below becomes a 500 and one log line."""
        if scope["type"] == "lifespan":
            return await self._app(scope, receive, send)
        if scope["type"] != "http":
            return await send({"type": "websocket.close", "code": 1008})
        answer = _Answer(send)
        try:
            await self._forward(scope, receive, answer)
            problem = internal_error() if answer.failed or not answer.started else None
            reason = f"status {answer.failed}"
        except Problem as refusal:
            problem, reason = refusal, ""
        except _ClientGoneError:
            return None
        except Exception as error:  # boundary: a client always gets an answer, the log never a value of the request
            problem, reason = internal_error(), describe(error)
        if problem is None:
            return None
        if problem.status == 500:
            logger.error("no answer to %s: %s", self._name(scope["path"]), reason)
        if not answer.started:
            await problem.response()(scope, receive, send)
        return None

    def _name(self, path: str) -> str | None:
        if path in self._routes:
            return path
        folder = f"/{path.split('/')[1]}/*" if path.count("/") > 1 else ""
        return folder if folder in self._routes else None

    async def _forward(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        name = self._name(scope["path"])
        if name is None:
            known = ", ".join(sorted(self._routes))
            raise Problem(404, "not_found", f"There is no such path; the service has {known}.")
        route = self._routes[name]
        if scope["method"] not in route.methods:
            allowed = ", ".join(route.methods)
            raise Problem(405, "method_not_allowed", f"{name} takes {allowed}.", headers={"allow": allowed})
        if route.body is not None:
            receive = _replay(await _valid_body(scope, receive, route), receive)
        if route.needs_bundle and not self._has_bundle():
            raise Problem(
                503, "no_bundle", "No bundle is loaded yet: publish one with `make run`; it is then picked up."
            )
        await self._app(scope, receive, answer)


class _ClientGoneError(Exception):
    """The client hung up: nobody is left to answer."""


class _Answer:
    """Passes an answer on, but holds back a failure (5xx) of the application, which the guard words itself."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.started = False
        self.failed = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            if message["status"] >= 500:
                self.failed = message["status"]
            headers = [(name, value) for name, value in message.get("headers", []) if name.lower() != b"server"]
            message = {**message, "headers": [*headers, (b"x-content-type-options", b"nosniff")]}
        if not self.failed:
            self.started = True
            await self._send(message)


async def _valid_body(scope: Scope, receive: Receive, route: Route) -> bytes:
    headers = dict(scope["headers"])
    if headers.get(b"content-type", b"").split(b";")[0].strip().lower() != b"application/json":
        raise Problem(415, "unsupported_media_type", "Send the body as content-type application/json.")
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await _read(receive, route.max_bytes)
    except TimeoutError as error:
        detail = f"The body did not arrive within {BODY_SECONDS:g} seconds."
        raise Problem(408, "body_timeout", detail, headers={"connection": "close"}) from error
    try:
        route.body.model_validate(parse(body)) if route.body else None
    except MalformedError as error:
        raise Problem(400, "malformed", "The body is not strict JSON.", ((error.field, str(error)),)) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        errors = tuple((".".join(map(str, e["loc"]))[:100] or "body", e["msg"]) for e in found)
        raise Problem(400, "invalid", f"{errors[0][0]}: {errors[0][1]}.", errors) from error
    return body


async def _read(receive: Receive, most: int) -> bytes:
    size, body, more = 0, bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGoneError
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        # What is too much is read all the same, and dropped: a client that still sends would not see the answer.
        if size <= most:
            body += chunk
    if size > most:
        detail = f"The body may have at most {most} bytes."
        raise Problem(413, "body_too_large", detail, (("body", detail),))
    return bytes(body)


def _replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, then what follows it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed
