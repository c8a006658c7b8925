"""Starts the service on a loopback port, or says in one line why it cannot."""

from __future__ import annotations

import errno
import ipaddress
import os
import socket
import sys
import tempfile
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

import uvicorn

from serving.api_keys import (
    ApiKeysError,
    development_file,
    development_token,
    open_api_keys,
)
from serving.greeting import coupon_lines, greeting
from serving.process import bundle_folder, share_clock
from serving.workers import Supervisor

from coupon_pipeline.clock import BusinessClock
from coupon_pipeline.ledger.keys import KeysError
from coupon_pipeline.ledger.locations import OpeningError
from coupon_pipeline.ledger.opening import open_ledger
from coupon_pipeline.ledger.reasons import UnavailableError
from coupon_pipeline.settings import Settings
from coupon_pipeline.snapshot.bundle import BadBundleError, Bundle, open_bundle

APP: Final = "serving.asgi:app"
OPTIONS: Final[dict[str, Any]] = {
    "factory": True,
    "loop": "uvloop",
    "http": "httptools",
    "ws": "none",
    "log_level": "warning",
    "access_log": False,
    "server_header": False,
    "timeout_graceful_shutdown": 15,
    "timeout_worker_healthcheck": 30,
}
PLAIN_ERRORS: Final = (ApiKeysError, BadBundleError, KeysError, OpeningError, OSError, UnavailableError)


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 3000, workers: int = 1) -> None:
    """Serve bundles and ledger of the settings until interrupted; port 0 takes a free one.

    A worker that dies is replaced. Exits with code 2, after one line to stderr, for a port in use, a host that is not
    loopback, a damaged bundle, keys that are missing or not fit for production, a ledger that cannot be opened, or, in
    development, nothing to serve.
    """
    with _bind(host, port) as listening:
        try:
            print(_greeting(settings, f"http://{host}:{listening.getsockname()[1]}"), flush=True)
        except PLAIN_ERRORS as error:
            _refuse(error.detail if isinstance(error, UnavailableError) else str(error))
        with tempfile.TemporaryDirectory(prefix="coupon-metrics-") as metrics, suppress(KeyboardInterrupt):
            # Workers are processes of their own, and read their settings from the environment.
            os.environ |= {**exported(settings), "PROMETHEUS_MULTIPROC_DIR": metrics}
            config = uvicorn.Config(APP, workers=workers, **OPTIONS)
            if workers > 1:
                Supervisor(config, listening).run()
            else:
                uvicorn.Server(config).run(sockets=[listening])


def exported(settings: Settings) -> dict[str, str]:
    """Environment variables from which the same settings are read."""
    return {f"COUPON_{name.upper()}": str(value) for name, value in settings if value is not None}


def _greeting(settings: Settings, url: str) -> str:
    """What is said at the start; whatever keeps the service from working is raised here, before it starts."""
    open_api_keys(settings)
    bundle = _bundle(settings)
    with open_ledger(settings.ledger, settings.ledger_key_file, settings.environment, _clock(bundle)) as ledger:
        if bundle is None or bundle.content.clock == "source":
            share_clock(ledger.now())
        if settings.environment == "production":
            return greeting(url, bundle, [])
        if bundle is None and ledger.latest_fact() is None:
            raise BadBundleError("there is nothing to serve yet, neither a bundle nor a coupon: make run")
        token = development_token(development_file(settings)).decode()
        return greeting(url, bundle, coupon_lines(url, token, ledger, bundle))


def _clock(bundle: Bundle | None) -> Callable[[], int]:
    """Business time at the start, in epoch milliseconds; without a bundle the ledger's latest fact decides."""
    if bundle is None:
        return lambda: 0
    return BusinessClock(bundle.decided_at if bundle.content.clock == "source" else None).milliseconds


def _bundle(settings: Settings) -> Bundle | None:
    """The current bundle, None before the first one is published; raises BadBundleError for a damaged one."""
    folder = bundle_folder(settings)
    return open_bundle(folder) if (folder / "current.json").exists() else None


def _bind(host: str, port: int) -> socket.socket:
    if not ipaddress.ip_address(host).is_loopback:
        _refuse(f"host {host} is not a loopback address: put a proxy in front of 127.0.0.1 that says who may come")
    listening = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # From here on a caller waits for the application instead of being refused.
        listening.listen(2048)
    except OSError as error:
        listening.close()
        if error.errno != errno.EADDRINUSE:
            _refuse(f"port {port} of {host} cannot be used ({error.strerror}); take another one: PORT=3100 make serve")
        _refuse(f"port {port} is in use; stop what listens there or take another one: PORT=3100 make serve")
    return listening


def _refuse(message: str) -> NoReturn:
    print(" ".join(message.split()), file=sys.stderr)
    raise SystemExit(2)
