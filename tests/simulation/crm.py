"""A running CRM of its own process, and a client that walks its pages."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from coupon_pipeline.simulation.feeds import crm

CODE = """
import sys
from pathlib import Path
from coupon_pipeline.simulation.systems.serve import serve
from coupon_pipeline.simulation.systems.traffic import Habits
serve(Path(sys.argv[1]), 0, Habits(burst=100_000, unavailable_share=float(sys.argv[2]), slow_share=0))
"""


@dataclass(frozen=True)
class Crm:
    """A running CRM."""

    process: subprocess.Popen[str]
    port: int
    feeds: Path

    def ask(self, path: str, token: str | None = "", method: str = "GET", **parameters: Any) -> tuple[int, Any]:
        """Status and JSON of an answer; an empty token stands for the right one."""
        token = (self.feeds / crm.TOKEN).read_text() if token == "" else token
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            target = f"{path}?{urlencode(parameters)}" if parameters else path
            connection.request(method, target, headers={"authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def walk(self, resource: str, **parameters: Any) -> Iterator[list[dict[str, Any]]]:
        """The pages of a list."""
        status, body = self.ask(f"/v1/{resource}", **parameters)
        while True:
            assert status == 200, body
            yield body["items"]
            if body["next"] is None:
                return
            status, body = self.ask(f"/v1/{resource}", **parameters, cursor=body["next"])


@contextmanager
def serving(feeds: Path, unavailable_share: float = 0.0) -> Generator[Crm]:
    """A CRM of its own process, on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, str(feeds), str(unavailable_share)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield Crm(process, int(process.stdout.readline().rsplit(":", 1)[1]), feeds)
    finally:
        process.kill()
        process.communicate()
