"""Asks the service as a till would, and reads what it says as the checker wants it."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from http.client import HTTPConnection, HTTPException
from time import monotonic_ns
from typing import Any, Final

from tests.proofs.ledger.judging.history import Attempt
from tests.proofs.ledger.storming.plan import Asked, token_of

TIMEOUT: Final = 15
OUTCOME_UNKNOWN: Final = "outcome_unknown"
HOLD_SECONDS: Final = 300
"""How long a hold lasts over HTTP."""
REQUESTS_PER_CONNECTION: Final = 150
"""Then another one is opened, so that both workers get their share."""


class Till:
    """One connection, kept alive."""

    def __init__(self, port: int, client: str) -> None:
        self._connection = HTTPConnection("127.0.0.1", port, timeout=TIMEOUT)
        self._sent, self._attempt = 0, Attempt(client, "", None, {}, 0)
        self._headers = {"content-type": "application/json", "authorization": f"Bearer {token_of(client)}"}

    def ask(self, asked: Asked) -> Attempt:
        """Send a request once; whatever happens is told."""
        self.send(asked)
        return self.receive()

    def send(self, asked: Asked) -> None:
        """The first half of `ask`."""
        self._attempt = Attempt(self._attempt.client, asked.operation, asked.key, asked.request, monotonic_ns())
        headers = self._headers if asked.key is None else self._headers | {"idempotency-key": asked.key}
        try:
            self._connection.request("POST", f"/v1/coupons/{asked.operation}", json.dumps(asked.request), headers)
        except (OSError, HTTPException):
            self.close()

    def receive(self) -> Attempt:
        """The second half."""
        try:
            answer = self._connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, HTTPException):
            self.close()
            return self._attempt
        self._sent += 1
        if self._sent % REQUESTS_PER_CONNECTION == 0:
            self.close()
        return _noted(replace(self._attempt, returned=monotonic_ns(), status=status), body)

    def close(self) -> None:
        """End the connection; the next request opens another."""
        self._connection.close()


def _noted(attempt: Attempt, body: bytes) -> Attempt:
    if attempt.status == 200:
        return replace(attempt, answer=json.loads(body))
    try:
        code = json.loads(body)["code"]
    except (ValueError, KeyError):
        return attempt
    known = attempt.status is not None and (attempt.status < 500 or attempt.status == 503) and code != OUTCOME_UNKNOWN
    return replace(attempt, refusal=code) if known else attempt


def plain(attempt: Attempt) -> Attempt:
    """An attempt over HTTP with numbers for ids, and epoch milliseconds for instants."""
    request = {name: _number(name, cell) for name, cell in attempt.request.items()}
    if attempt.operation == "hold":
        request["seconds"] = HOLD_SECONDS
    if "lines" in request:
        request["lines"] = [{**line, "product_id": int(line["product_id"])} for line in request["lines"]]
    answer = attempt.answer and {name: _number(name, cell) for name, cell in attempt.answer.items()}
    return replace(attempt, request=request, answer=answer)


def _number(name: str, cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    if name in {"issue_id", "redemption_id", "household_id", "coupon_id"}:
        return int(cell)
    if name.endswith(("_at", "_until", "valid_from")):
        return milliseconds(cell)
    return cell


def milliseconds(text: str) -> int:
    """Epoch milliseconds of an instant in ISO 8601."""
    return round(datetime.fromisoformat(text).timestamp() * 1_000)
