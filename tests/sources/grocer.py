"""A small grocer for the tests of connectors: one YAML file, and the systems that it names."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import yaml

from coupon_pipeline.sources.connected import Connected

WEEKS = ("2025-03-03", "2025-03-10", "2025-03-17", "2025-03-24")
WEEK = WEEKS[1]
ATTEMPTS = 3
HASTY = {"attempts": ATTEMPTS, "first_seconds": 0.01, "most_seconds": 0.02}
"""Retries that a test can wait for."""
STORES = {"store_id": "no", "region": "area", "format": "kind"}
ARTICLES = {"product_id": "article", "name": "text"}


def opened(
    folder: Path, systems: Mapping[str, Any], tables: Mapping[str, Any], name: str = "grocer", **more: Any
) -> Connected:
    """The source of a YAML file with these systems and tables."""
    document = {
        "name": name,
        "currency": "EUR",
        "calendar": {"timezone": "Europe/Berlin", "first": WEEKS[0], "last": WEEKS[-1]},
        "systems": dict(systems),
        "tables": dict(tables),
        **more,
    }
    path = folder / f"{name}.yaml"
    # As JSON, which is YAML too, so that days are written with quotes.
    path.write_text(yaml.safe_dump(json.loads(json.dumps(document)), sort_keys=False), encoding="utf-8")
    return Connected(path, folder / "data")


@dataclass
class Api:
    """An HTTP API with lists of items; each fault in `faults` spoils one answer, first come, first served."""

    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    faults: deque[tuple[int, dict[str, str], bytes]] = field(default_factory=deque)
    token: str | None = None
    paging: str = "cursor"
    most: int = 1000
    """The most items of a page, whatever limit is asked for."""
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    url: str = ""

    def answer(self, path: str, query: dict[str, str], authorization: str | None) -> tuple[int, dict[str, str], bytes]:
        self.asked.append((path, query))
        if self.faults:
            return self.faults.popleft()
        if self.token is not None and authorization != f"Bearer {self.token}":
            return 401, {}, b"{}"
        if path not in self.lists:
            return 404, {}, b"{}"
        items = self.lists[path]
        if "changed_since" in query:
            items = [item for item in items if query["changed_since"] <= item["updated_at"] < query["changed_before"]]
        start = int(query.get("cursor" if self.paging == "cursor" else "offset", 0))
        end = start + min(int(query["limit"]), self.most)
        body: Any = items[start:end]
        if self.paging == "cursor":
            body = {"items": body, "next": str(end) if end < len(items) else None}
        return 200, {}, json.dumps(body, ensure_ascii=False).encode()


@contextmanager
def serving(api: Api, port: int = 0) -> Generator[Api]:
    """Serve an API on loopback."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            status, headers, body = api.answer(parts.path, query, self.headers["Authorization"])
            self.send_response(status)
            promised = headers.pop("Promised-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", promised)
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = promised != str(len(body))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    api.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def write_csv(path: Path, rows: Sequence[Sequence[str]], delimiter: str = ",", encoding: str = "utf-8") -> Path:
    """Write a file whose first row is the header."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(delimiter.join(row) + "\n" for row in rows).encode(encoding))
    return path
