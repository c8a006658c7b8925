"""What the headers of a request must say: who asks, under which key, in which format."""

from __future__ import annotations

import re
from typing import Final

from starlette.types import Scope

from serving.api_keys import ApiKeys, Client
from serving.problem import Problem
from serving.route import Route

KEY: Final = re.compile(rb"[\x20-\x7e]{8,128}")
KEY_HEADER: Final = "Idempotency-Key"


def client(scope: Scope, route: Route, keys: ApiKeys) -> Client | None:
    """Who asks, None where anybody may; raises Problem for a key that is missing, not known or not enough."""
    if not route.roles:
        return None
    scheme, _, token = _only(scope, b"authorization").partition(b" ")
    found = keys.client(token.strip()) if scheme.lower() == b"bearer" else None
    if found is None:
        detail = "Send a key of this service as `Authorization: Bearer <key>`."
        headers = {"www-authenticate": "Bearer"}
        raise Problem(401, "unauthorized", detail, (("Authorization", detail),), headers)
    if found.role != "admin" and found.role not in route.roles:
        detail = f"The key has the role {found.role}; this route takes {', '.join(route.roles)} or admin."
        raise Problem(403, "forbidden", detail, (("Authorization", detail),))
    return found


def idempotency_key(scope: Scope, route: Route) -> str:
    """The key under which the request has its one effect; raises Problem for none, several or an odd one."""
    if not route.needs_key:
        return ""
    given = _all(scope, b"idempotency-key")
    if not given:
        detail = "Send a key of your own with every change; the same request with the same key is done once."
        raise Problem(400, "missing_idempotency_key", detail, ((KEY_HEADER, detail),))
    if len(given) > 1 or not KEY.fullmatch(given[0]):
        detail = "Send one key of 8 to 128 printable ASCII characters."
        raise Problem(400, "invalid_idempotency_key", detail, ((KEY_HEADER, detail),))
    return given[0].decode("ascii")


def check_content_type(scope: Scope) -> None:
    """Raise Problem unless the body is said to be JSON."""
    if _only(scope, b"content-type").split(b";")[0].strip().lower() != b"application/json":
        raise Problem(415, "unsupported_media_type", "Send the body as content-type application/json.")


def _only(scope: Scope, name: bytes) -> bytes:
    """The value of a header that is given once, empty otherwise."""
    given = _all(scope, name)
    return given[0] if len(given) == 1 else b""


def _all(scope: Scope, name: bytes) -> list[bytes]:
    return [value for header, value in scope["headers"] if header == name]
