"""Starts the service on a loopback port, or says in one line why it cannot."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import socket
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

import uvicorn

from serving.guard import Guard
from serving.recommender import recommend
from serving.schemas import RecommendRequest

from coupon_pipeline.snapshot.bundle import BadBundleError, Bundle, open_bundle


def serve(bundle_root: Path, host: str = "127.0.0.1", port: int = 3000) -> None:
    """Serve the bundles under `bundle_root` until interrupted; port 0 takes a free one.

    Exits with code 2, after one line to stderr, for a port in use, a host that is not loopback, or a bundle that is
    missing or damaged.
    """
    with _bind(host, port) as listening:
        try:
            bundle = open_bundle(bundle_root)
        except BadBundleError as error:
            _refuse(str(error))
        print(_greeting(f"http://{host}:{listening.getsockname()[1]}", bundle), flush=True)
        with tempfile.TemporaryDirectory(prefix="coupon-metrics-") as metrics, suppress(KeyboardInterrupt):
            # prometheus_client reads this when it is first imported, which the application does.
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = metrics
            from serving.asgi import create_app

            uvicorn.Server(_config(create_app(bundle_root))).run(sockets=[listening])


def _config(app: Guard) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=15,
    )


def _bind(host: str, port: int) -> socket.socket:
    if not ipaddress.ip_address(host).is_loopback:
        _refuse(f"host {host} is not a loopback address: this service has no users, put a proxy in front of 127.0.0.1")
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # From here on a caller waits for the application instead of being refused.
        listening.listen()
    except OSError as error:
        listening.close()
        if error.errno != errno.EADDRINUSE:
            _refuse(f"port {port} of {host} cannot be used ({error.strerror}); take another one: PORT=3100 make serve")
        _refuse(f"port {port} is in use; stop what listens there or take another one: PORT=3100 make serve")
    return listening


def _greeting(url: str, bundle: Bundle) -> str:
    body = json.dumps({"household_id": _household_with_offers(bundle)})
    return (
        f"{url}  bundle {bundle.version}, week {bundle.content.for_week}; API page: {url}/\n"
        f"  curl -s {url}/recommend -H 'content-type: application/json' -d '{body}'"
    )


def _household_with_offers(bundle: Bundle) -> str:
    """The first household that gets an offer at the decision time; the first of all if none does."""
    ids = [str(household_id) for household_id in bundle.content.household_ids.tolist()]
    asked = (RecommendRequest(household_id=household_id, limit=1) for household_id in ids)
    found = (one.household_id for one in asked if recommend(bundle, one, bundle.decided_at)["offers"])
    return next(found, ids[0] if ids else "1")


def _refuse(message: str) -> NoReturn:
    print(message, file=sys.stderr)
    raise SystemExit(2)
