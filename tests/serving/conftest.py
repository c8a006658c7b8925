"""A served bundle: the real service in its own process, on a free port."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from tests.snapshot.factory import content

from coupon_pipeline.snapshot.write import write

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
    root: Path
    greeting: str
    errors: Path
    """What it wrote to stderr."""

    def get(self, path: str) -> Reply:
        return self.send("GET", path)

    def post(self, path: str, body: bytes | str | dict[str, Any], headers: dict[str, str] | None = None) -> Reply:
        data = json.dumps(body).encode() if isinstance(body, dict) else body.encode() if isinstance(body, str) else body
        return self.send("POST", path, data, JSON if headers is None else headers)

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


def running(root: Path, errors: Path) -> Iterator[Server]:
    """The service of the bundles under `root`, until the generator is closed."""
    code = "import sys; from pathlib import Path; from serving.run import serve; serve(Path(sys.argv[1]), port=0)"
    environment = os.environ | {"BENTOML_DO_NOT_TRACK": "True", "OMP_NUM_THREADS": "1"}
    with errors.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-c", code, str(root)], stdout=subprocess.PIPE, stderr=stream, text=True, env=environment
        )
    assert process.stdout is not None
    try:
        greeting = process.stdout.readline() + process.stdout.readline()
        server = Server(int(greeting.split("  ")[0].rsplit(":", 1)[1]), root, greeting, errors)
        until(lambda: is_ready(server))
        yield server
    finally:
        process.terminate()
        process.wait(20)
        process.stdout.close()


def is_ready(server: Server) -> bool:
    try:
        return server.get("/readyz").status == 200
    except OSError:
        return False


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    root = tmp_path_factory.mktemp("bundles")
    write(root, content())
    yield from running(root, tmp_path_factory.mktemp("log") / "stderr")
