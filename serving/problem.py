"""Errors as problem details (RFC 9457) with a stable code, the same for every route."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.responses import Response

MEDIA_TYPE: Final = "application/problem+json"


class Problem(Exception):  # noqa: N818 (the name of the thing in RFC 9457)
    """A refusal on its way to the client."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        errors: tuple[tuple[str, str], ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`errors` are pairs of a field of the body and what is wrong with it."""
        super().__init__(detail)
        self.status, self.code, self.detail, self.errors, self.headers = status, code, detail, errors, headers

    def response(self) -> Response:
        """The answer: application/problem+json."""
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            "errors": [{"field": field, "message": message} for field, message in self.errors],
        }
        return Response(json.dumps(body), self.status, self.headers, MEDIA_TYPE)


def internal_error() -> Problem:
    """What a client is told of a fault of ours: nothing but that it is ours."""
    return Problem(500, "internal_error", "The service failed to answer; the request may be sent again.")


def outcome_unknown() -> Problem:
    """What a client is told where nobody knows whether a change was made."""
    detail = "The answer did not come in time: send the same request with the same key again."
    return Problem(503, "outcome_unknown", detail, headers={"retry-after": "1"})


def describe(error: BaseException) -> str:
    """The kind of an error and where it was raised, for one log line without any value of the request."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    place = f"{trace.tb_frame.f_globals.get('__name__')}:{trace.tb_lineno}" if trace else "unknown place"
    return f"{type(error).__name__} at {place}"
