"""The API document of the coupon routes (OpenAPI 3.1), made from the models and tables that they run by."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from pydantic.json_schema import models_json_schema

from serving.coupon_operations import OF_THE_DATABASE, OPERATIONS, Operation
from serving.coupon_schemas import ProblemBody
from serving.problem import MEDIA_TYPE
from serving.refusals import STATUS

VERSION: Final = "3.1.0"
REF: Final = "#/components/schemas/{model}"
OF_THE_GUARD: Final = (
    (400, "malformed"),
    (400, "invalid"),
    (401, "unauthorized"),
    (403, "forbidden"),
    (405, "method_not_allowed"),
    (408, "body_timeout"),
    (413, "body_too_large"),
    (415, "unsupported_media_type"),
    (500, "internal_error"),
)
OF_A_KEY: Final = ((400, "missing_idempotency_key"), (400, "invalid_idempotency_key"))
KEY_HEADER: Final = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "description": "A fresh key per change, the same one for a retry: a change is made once, and a retry is answered "
    "as the first request was (`replay: true`). Another request under the key is refused (`key_reused`).",
    "schema": {"type": "string", "minLength": 8, "maxLength": 128, "pattern": "^[ -~]+$"},
}
REQUEST_ID: Final = {"description": "Names the request, for questions about it.", "schema": {"type": "string"}}
RETRY_AFTER: Final = {"description": "Seconds to wait.", "schema": {"type": "integer", "minimum": 1}}


def document() -> dict[str, Any]:
    """The document as plain values."""
    bodies = [(operation.body, "validation") for operation in OPERATIONS]
    answers = [(operation.answer, "serialization") for operation in OPERATIONS]
    _, schemas = models_json_schema([*bodies, *answers, (ProblemBody, "serialization")], ref_template=REF)  # ty: ignore[invalid-argument-type]
    return {
        "openapi": VERSION,
        "info": {
            "title": "Coupons",
            "version": "1",
            "description": "The life of a coupon: issue, hold, validate, redeem, reverse, void. "
            "A JSON number such as 5.0 is refused where a whole number is asked for.",
        },
        "paths": {operation.path: {"post": _operation(operation)} for operation in OPERATIONS},
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "A key of this service."}},
        },
        "security": [{"key": []}],
    }


def codes(operation: Operation) -> dict[int, list[str]]:
    """Status -> codes of the problems that the route may answer."""
    reasons = [(STATUS[reason], reason.value) for reason in (*operation.reasons, *OF_THE_DATABASE)]
    found: defaultdict[int, list[str]] = defaultdict(list)
    for status, code in sorted((*OF_THE_GUARD, *(OF_A_KEY if operation.changes else ()), *reasons)):
        found[status].append(code)
    return dict(found)


def _operation(operation: Operation) -> dict[str, Any]:
    answer = {"description": "Done.", **_content("application/json", _ref(operation.answer))}
    responses = {"200": {**answer, "headers": {"X-Request-Id": REQUEST_ID}}}
    responses |= {str(status): _problem(status, found) for status, found in codes(operation).items()}
    return {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": f"For keys of the role {_either(operation.roles)}.",
        "parameters": [KEY_HEADER] if operation.changes else [],
        "requestBody": {"required": True, **_content("application/json", _ref(operation.body))},
        "responses": responses,
    }


def _problem(status: int, found: list[str]) -> dict[str, Any]:
    schema = {"allOf": [_ref(ProblemBody), {"properties": {"code": {"enum": found}}}]}
    headers = {"X-Request-Id": REQUEST_ID} | ({"Retry-After": RETRY_AFTER} if status in (429, 503) else {})
    described = f"{HTTPStatus(status).phrase}: {', '.join(found)}."
    return {"description": described, "headers": headers, **_content(MEDIA_TYPE, schema)}


def _content(media_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"content": {media_type: {"schema": schema}}}


def _ref(model: type) -> dict[str, str]:
    return {"$ref": REF.format(model=model.__name__)}


def _either(names: Iterable[str]) -> str:
    return " or ".join((*names, "admin"))
