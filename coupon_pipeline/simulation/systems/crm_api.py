"""The CRM's HTTP API: customers, campaigns, coupons and engagements by the instant of their last change."""

from __future__ import annotations

import asyncio
import hmac
import sqlite3
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from coupon_pipeline.simulation.feeds.crm import DATABASE, TOKEN
from coupon_pipeline.simulation.systems.answers import RefusedError, answer
from coupon_pipeline.simulation.systems.pages import RESOURCES, Database, page, parse
from coupon_pipeline.simulation.systems.traffic import Gate, Habits


def create_app(feeds: Path, habits: Habits | None = None) -> Starlette:
    """The application over the database in `feeds`; who calls it must give the token in `feeds`."""
    gate = Gate(Habits() if habits is None else habits)
    database = Database(feeds / DATABASE)

    async def health(_: Request) -> Response:
        return answer({"status": "ok"})

    async def listed(request: Request) -> Response:
        resource = request.path_params["resource"]
        if resource not in RESOURCES:
            raise RefusedError(404, "not_found", f"there is no {resource}: use one of {', '.join(RESOURCES)}")
        secret = _authorised(request, feeds / TOKEN)
        wait = gate.enter()
        if wait:
            await asyncio.sleep(wait)
        query = parse(resource, request.query_params, secret)
        try:
            return answer(page(database.connection(), query, secret))
        except sqlite3.OperationalError as error:
            # Locked, or made anew at this very moment.
            database.close()
            raise RefusedError(503, "unavailable", f"the CRM's database: {error}") from error

    return Starlette(
        routes=[Route("/health", health), Route("/v1/{resource}", listed)],
        exception_handlers={RefusedError: _refused, HTTPException: _http_error},
    )


def _authorised(request: Request, token_file: Path) -> bytes:
    """The token, if the caller has it; read each time, since a new world has a new one."""
    try:
        token = token_file.read_bytes()
    except FileNotFoundError as error:
        raise RefusedError(503, "unavailable", "the CRM has no data yet") from error
    given = request.headers.get("authorization", "")
    if not hmac.compare_digest(given.encode(), b"Bearer " + token):
        message = "give the header Authorization: Bearer <token>"
        raise RefusedError(401, "unauthorized", message, {"www-authenticate": "Bearer"})
    return token


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return error.response()


async def _http_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return answer(
        {"error": "not_found" if error.status_code == 404 else "refused", "message": error.detail},
        error.status_code,
        error.headers,
    )
