"""`make dev`: the pages of Dagster and MLflow, and the simulated chain's CRM, until Ctrl-C."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import dagster as dg
from rich.console import Console

from coupon_pipeline.commands.orphans import end_orphans
from coupon_pipeline.ports import check_free
from coupon_pipeline.settings import Settings

DAGSTER_PORT, MLFLOW_PORT, CRM_PORT = 3001, 5000, 8090
SIMULATED = "simulated"
"""The source whose systems run here as well."""
GRACE_SECONDS = 15
ENDING = (signal.SIGINT, signal.SIGTERM)


def dev(settings: Settings, console: Console) -> None:
    """Run all servers on loopback; raises PortInUseError before anything is started."""
    with_crm = settings.source == SIMULATED
    for port in (DAGSTER_PORT, MLFLOW_PORT, *([CRM_PORT] if with_crm else [])):
        check_free(port)
    Path(settings.data / "mlflow").mkdir(parents=True, exist_ok=True)
    with dg.DagsterInstance.from_config(str(Path.cwd())) as instance:
        end_orphans(instance, untagged=True)
    for number in ENDING:
        # A shell that starts a job in the background has it ignore Ctrl-C, and children inherit that.
        signal.signal(number, signal.default_int_handler)
    # In sessions of their own, so that Ctrl-C reaches them once, from here. The CRM ends when its input does.
    servers = [subprocess.Popen(line, start_new_session=True, stdin=subprocess.PIPE) for line in commands(settings)]
    pages = {"Dagster": DAGSTER_PORT, "MLflow": MLFLOW_PORT, **({"CRM": CRM_PORT} if with_crm else {})}
    addresses = "   ".join(f"{name}: http://127.0.0.1:{port}" for name, port in pages.items())
    console.print(f"{addresses}   Ctrl-C ends all", highlight=False)
    try:
        while all(server.poll() is None for server in servers):
            time.sleep(0.5)
    except KeyboardInterrupt:
        console.print("stopping")
    finally:
        stop(servers)


def stop(servers: Sequence[subprocess.Popen[bytes]]) -> None:
    """End servers as Ctrl-C would, and what is left of them after the grace period by force."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)
    for server in servers:
        server.send_signal(signal.SIGINT)
    for server in servers:
        with suppress(subprocess.TimeoutExpired):
            server.wait(GRACE_SECONDS)
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)


def commands(settings: Settings) -> list[list[str]]:
    """The command lines of all servers."""
    loopback = ["--host", "127.0.0.1"]
    stores = ["--backend-store-uri", settings.mlflow_uri, "--artifacts-destination", settings.mlflow_artifacts.as_uri()]
    found = [
        [sys.executable, "-m", "dagster", "dev", "--port", str(DAGSTER_PORT), *loopback],
        [sys.executable, "-m", "mlflow", "server", "--port", str(MLFLOW_PORT), *loopback, *stores],
    ]
    if settings.source == SIMULATED:
        found.append([sys.executable, "-m", "coupon_pipeline", "simulate", "--serve"])
    return found
