"""The application that uvicorn runs: the BentoML service behind the guard."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import bentoml

from serving.guard import Guard, Route
from serving.schemas import RecommendRequest, ScoreRequest
from serving.service import CouponService
from serving.snapshots import open_snapshots, snapshots

from coupon_pipeline.clock import BusinessClock

ROUTES: Final = {
    "/recommend": Route(("POST",), RecommendRequest, 4 * 1024, needs_bundle=True),
    "/score": Route(("POST",), ScoreRequest, 1024 * 1024, needs_bundle=True),
    "/livez": Route(),
    "/readyz": Route(needs_bundle=True),
    "/": Route(),
    "/docs.json": Route(),
    "/schema.json": Route(),
    "/static_content/*": Route(),
}
"""The whole surface of the service; the last four are BentoML's page, its documents and what its client asks for."""

METRICS: Final = {"/metrics": Route()}
"""Only where PROMETHEUS_MULTIPROC_DIR names a folder: without one BentoML's route never answers."""


def create_app(bundle_root: Path, clock: BusinessClock | None = None) -> Guard:
    """The service of the bundles under `bundle_root`, by `clock` or by the one that the first bundle asks for."""
    held = open_snapshots(bundle_root, clock)
    # `bentoml serve` fills this in; under plain uvicorn the labels of the metrics would be empty.
    context = bentoml.server_context
    context.service_type, context.service_name = "entry_service", CouponService.name
    context.bento_name = CouponService.name
    routes = ROUTES | (METRICS if "PROMETHEUS_MULTIPROC_DIR" in os.environ else {})
    return Guard(CouponService.to_asgi(is_main=True), routes, lambda: held.current is not None)


def app() -> Guard:
    """The service of the folder in COUPON_BUNDLES, for `uvicorn --factory serving.asgi:app`."""
    return create_app(snapshots().root)
