"""The real service with two workers, and the real processes around it: started, killed, replaced, ended."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final

import psutil

from tests.proofs.ledger.storming.plan import client_name, token_of
from tests.simulation.chains import ROOT

WORKERS: Final = 2
START_SECONDS: Final = 60


def until(holds: Callable[[], Any], what: str, seconds: float = START_SECONDS) -> Any:
    """What `holds` returns, as soon as it is true."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {seconds} s")
        time.sleep(0.02)
    return found


def python(module: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Begin a module of this repository in a process of its own."""
    return subprocess.Popen([sys.executable, "-m", module, *arguments], cwd=ROOT, text=True, **options)


def end(process: subprocess.Popen[str], seconds: float = 20) -> None:
    """End a process, in good order if it can."""
    process.terminate()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


@contextmanager
def ended(process: subprocess.Popen[str]) -> Generator[subprocess.Popen[str]]:
    """A process that does not outlive the block."""
    try:
        yield process
    finally:
        end(process)


@dataclass(frozen=True)
class Service:
    """A running service."""

    port: int
    process: subprocess.Popen[str]
    errors: Path

    def check(self) -> None:
        """Raise RuntimeError, with what it has said, if it has ended."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the service has ended: {self.errors.read_text(encoding='utf-8')[-2_000:]}")

    def workers(self) -> list[psutil.Process]:
        """The processes that answer."""
        try:
            children = psutil.Process(self.process.pid).children()
            return [child for child in children if any("spawn_main" in word for word in child.cmdline())]
        except psutil.Error:
            return []

    def is_alive(self) -> bool:
        """Whether a worker answers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/livez")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


@contextmanager
def serving(folder: Path, url: str, keys: Path, processes: int) -> Generator[Service]:
    """The service of a ledger, with a key for every client of a storm."""
    clients = {client_name(process) for process in range(processes)}
    entries = {
        hashlib.sha256(token_of(client).encode()).hexdigest(): {"client": client, "role": "admin"} for client in clients
    }
    (folder / "api_keys.json").write_text(json.dumps(entries), encoding="utf-8")
    environment = os.environ | {
        "COUPON_DATA": str(folder / "data"),
        "COUPON_LEDGER_URL": url,
        "COUPON_LEDGER_KEYS": str(keys),
        "COUPON_API_KEYS": str(folder / "api_keys.json"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
    }
    errors = folder / "service-errors"
    with errors.open("wb") as stream:
        process = python(
            "coupon_pipeline",
            *("serve", "--port", "0", "--workers", str(WORKERS)),
            stdout=subprocess.PIPE,
            stderr=stream,
            env=environment,
        )
    try:
        assert process.stdout is not None
        port = _port(process.stdout.readline(), errors)
        service = Service(port, process, errors)
        until(lambda: len(service.workers()) == WORKERS and service.is_alive(), "the service")
        yield service
    finally:
        workers = Service(0, process, errors).workers()
        end(process)
        for worker in workers:
            if worker.is_running():
                worker.kill()


def _port(greeting: str, errors: Path) -> int:
    if "http://" not in greeting:
        raise RuntimeError(f"the service has not started: {errors.read_text(encoding='utf-8')}")
    return int(greeting.split()[0].rsplit(":", 1)[1])
