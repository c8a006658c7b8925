"""Every reason of the ledger has a status, a code and words of its own."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.applications import Starlette

from serving.coupon_operations import OF_THE_DATABASE, OPERATIONS
from serving.coupon_routes import routes
from serving.desk import Desk
from serving.refusals import RETRY_SECONDS, STATUS, problem_of

from coupon_pipeline.ledger.guesses import TooManyGuessesError
from coupon_pipeline.ledger.reasons import Reason, RefusalError, UnavailableError


def test_every_reason_has_a_status_and_some_route_may_answer_it() -> None:
    assert set(STATUS) == set(Reason)
    answered = {reason for operation in OPERATIONS for reason in operation.reasons} | set(OF_THE_DATABASE)
    assert set(Reason) - answered == {Reason.INVALID_KEY, Reason.INVALID_TEXT}  # the guard lets none through


@pytest.mark.parametrize("reason", Reason)
def test_the_code_is_the_name_of_the_reason_and_waiting_is_said_where_it_helps(reason: Reason) -> None:
    problem = problem_of(UnavailableError(reason, "wait a moment"))
    assert (problem.code, problem.detail) == (reason.value, "Wait a moment.")
    assert (problem.headers is not None) == (problem.status in (429, 503) and reason in RETRY_SECONDS)


def test_the_field_is_where_http_has_it() -> None:
    problem = problem_of(RefusalError(Reason.KEY_REUSED, "take a fresh key", "key"))
    assert problem.errors == (("Idempotency-Key", "Take a fresh key."),)
    assert problem_of(RefusalError(Reason.HELD, "wait", "code")).errors == (("code", "Wait."),)


def test_who_guessed_too_often_is_told_how_long_to_wait() -> None:
    problem = problem_of(TooManyGuessesError(70))
    assert (problem.status, problem.headers) == (429, {"retry-after": "70"})


def test_without_the_guard_in_front_the_routes_answer_nobody() -> None:
    def no_desk() -> Desk:
        raise AssertionError("the ledger was asked")

    async def asked() -> list[tuple[int, str]]:
        app = httpx.ASGITransport(Starlette(routes=routes(no_desk)))
        async with httpx.AsyncClient(transport=app, base_url="http://service") as client:
            paths = [operation.path.removeprefix("/v1") for operation in OPERATIONS]
            replies = [await client.post(path, json={}) for path in paths]
            return [(reply.status_code, reply.json()["code"]) for reply in replies]

    assert asyncio.run(asked()) == [(401, "unauthorized")] * len(OPERATIONS)
