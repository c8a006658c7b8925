"""A served bundle: the real service in its own process, on a free port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any

import pytest

from serving.greeting import LOOPBACK
from serving.run import exported
from tests.serving.world import prepare, settings_of, token_of

from coupon_pipeline.settings import Settings

JSON = {"content-type": "application/json"}


@dataclass(frozen=True)
class Reply:
    """What the service answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Server:
    """A running service."""

    port: int
    settings: Settings
    greeting: str
    errors: Path
    """What it wrote to stderr."""
    pid: int

    @property
    def root(self) -> Path:
        """Folder of its bundles."""
        return self.settings.bundles

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def post(self, path: str, body: bytes | str | dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
        data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
        return self.send("POST", path, data, JSON if headers is None else headers)

    def coupons(self, client: str, operation: str, body: dict[str, Any], key: str | None = None) -> Reply:
        """Ask a coupon route as a client, under a key where one is given."""
        headers = JSON | {"authorization": f"Bearer {token_of(client)}"}
        return self.post(f"/v1/coupons/{operation}", body, headers | ({"idempotency-key": key} if key else {}))

    def send(self, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Reply:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body or None, headers or {})
            answer = connection.getresponse()
            return Reply(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()


def until(holds: Callable[[], Any], seconds: float = 20) -> Any:
    """What `holds` returns, as soon as it is true; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < end, "the condition did not come true in time"
        time.sleep(0.02)
    return found


@contextmanager
def running(data: Path, workers: int = 1) -> Generator[Server]:
    """The service of the folder that `prepare` has filled."""
    settings = settings_of(data)
    options = ["--port", "0", "--workers", str(workers)]
    command = [sys.executable, "-m", "coupon_pipeline", "serve", *options]
    environment = os.environ | exported(settings) | {"BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1"}
    errors = data / "stderr"
    with errors.open("wb") as stream:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stream, text=True, env=environment)
    assert process.stdout is not None
    try:
        greeting = "".join(until_last_line(process.stdout))
        assert greeting, errors.read_text()
        port = int(greeting.split("  ")[0].rsplit(":", 1)[1])
        server = Server(port, settings, greeting, errors, process.pid)
        until(lambda: is_ready(server))
        yield server
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def until_last_line(stream: IO[str]) -> Iterator[str]:
    """The lines of a greeting."""
    for line in stream:
        yield line
        if line.startswith(LOOPBACK):
            return


def is_ready(server: Server) -> bool:
    try:
        return server.get("/readyz").status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    data = tmp_path_factory.mktemp("service")
    prepare(data)
    with running(data) as started:
        yield started
