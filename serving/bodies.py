"""Reads the body of a request within its limits, and what it says."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from pydantic import ValidationError
from starlette.types import Message, Receive

from serving.problem import Problem
from serving.route import Route
from serving.strict_json import MalformedError, parse

BODY_SECONDS: Final = 3.0
MAX_ERRORS: Final = 20


class ClientGoneError(Exception):
    """The client hung up: nobody is left to answer."""


async def read(receive: Receive, most: int) -> bytes:
    """The whole body; raises Problem for one that is too large or too slow, ClientGoneError."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _read(receive, most)
    except TimeoutError as error:
        detail = f"The body did not arrive within {BODY_SECONDS:g} seconds."
        raise Problem(408, "body_timeout", detail, headers={"connection": "close"}) from error


def valid(body: bytes, route: Route) -> Any:
    """The body as the route's model; raises Problem, which names the fields."""
    if route.body is None:
        return None
    try:
        return route.body.model_validate(parse(body))
    except MalformedError as error:
        raise Problem(400, "malformed", "The body is not strict JSON.", ((error.field, str(error)),)) from error
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)[:MAX_ERRORS]
        errors = tuple((".".join(map(str, e["loc"]))[:100] or "body", e["msg"]) for e in found)
        raise Problem(400, "invalid", f"{errors[0][0]}: {errors[0][1]}.", errors) from error


def replay(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives the body once more, then what follows it."""
    first: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return first.pop() if first else await receive()

    return replayed


async def _read(receive: Receive, most: int) -> bytes:
    size, body, more = 0, bytearray(), True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGoneError
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        # What is too much is read all the same, and dropped: a client that still sends would not see the answer.
        if size <= most:
            body += chunk
    if size > most:
        detail = f"The body may have at most {most} bytes."
        raise Problem(413, "body_too_large", detail, (("body", detail),))
    return bytes(body)
