"""The application that uvicorn runs: the BentoML service behind the guard."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Final

import bentoml

from serving.api_keys import open_api_keys
from serving.coupon_operations import OPERATIONS
from serving.guard import Guard
from serving.orphans import end_with_parent
from serving.process import open_process
from serving.route import Route
from serving.schemas import RecommendRequest, ScoreRequest
from serving.service import CouponService

from coupon_pipeline.settings import Settings

ROUTES: Final = {
    "/recommend": Route(("POST",), RecommendRequest, 4 * 1024, needs_bundle=True, roles=("till", "app")),
    "/score": Route(("POST",), ScoreRequest, 1024 * 1024, needs_bundle=True, roles=("app", "batch")),
    "/livez": Route(),
    "/readyz": Route(needs_bundle=True, needs_ledger=True),
    "/v1/openapi.json": Route(),
    "/": Route(),
    "/docs.json": Route(),
    "/schema.json": Route(),
    "/static_content/*": Route(),
} | {operation.path: operation.route for operation in OPERATIONS}
"""The whole surface of the service; `/`, its documents and its files are BentoML's page and what its client asks for.
"""

METRICS: Final = {"/metrics": Route()}
"""Only where PROMETHEUS_MULTIPROC_DIR names a folder: without one BentoML's route never answers."""

OPEN_IN_DEVELOPMENT: Final = ("/recommend", "/score")
"""They answer without a key there."""


def create_app(settings: Settings) -> Guard:
    """The service of the settings' bundles and ledger; raises ApiKeysError and OSError."""
    keys, held = open_api_keys(settings), open_process(settings)
    # `bentoml serve` fills this in; under plain uvicorn the labels of the metrics would be empty.
    context = bentoml.server_context
    context.service_type, context.service_name = "entry_service", CouponService.name
    context.bento_name = CouponService.name
    service = CouponService.to_asgi(is_main=True)
    return Guard(
        service, routes(settings), lambda: held.snapshots.current is not None, keys, lambda: held.desk.is_failing
    )


def routes(settings: Settings) -> dict[str, Route]:
    """The surface of a service with these settings."""
    found = ROUTES | (METRICS if "PROMETHEUS_MULTIPROC_DIR" in os.environ else {})
    if settings.environment == "development":
        found |= {path: replace(found[path], roles=()) for path in OPEN_IN_DEVELOPMENT}
    return found


def app() -> Guard:
    """The service of the environment's settings, for `uvicorn --factory serving.asgi:app`."""
    end_with_parent()
    return create_app(Settings())
