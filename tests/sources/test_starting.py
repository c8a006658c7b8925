"""A system of this machine that is not there is started by its command, once, and never left behind."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.sources.grocer import HASTY, STORES, WEEK, Api, opened, serving

from coupon_pipeline.sources.connected import Connected
from coupon_pipeline.sources.source import SourceError

MAKE = """
import sys
from pathlib import Path
drop = Path(sys.argv[1])
with (drop.parent / "runs").open("a") as runs:
    runs.write("x")
(drop / "2025-03-10").mkdir(parents=True)
(drop / "2025-03-10" / "stores.csv").write_text("no,area,kind\\n1,n,k\\n")
"""
FAIL = "import sys; print('reading seeds', file=sys.stderr); sys.exit('no seeds left')"
SERVE = """
import json, os, sys, threading
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"items": [{"no": os.getpid(), "area": "n", "kind": "k", "at": "2025-03-12T00:00:00Z"}]})
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body.encode())
    def log_message(self, *_):
        pass
server = HTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
"""


def files(folder: Path, *start: str) -> Connected:
    tills = {"kind": "files", "root": str(folder / "drop"), "start": list(start)}
    known_at = {"path": r"(?P<day>\d{4}-\d\d-\d\d)/stores\.csv"}
    stores = {"system": "tills", "known_at": known_at, "columns": STORES}
    return opened(folder, {"tills": tills}, {"stores": stores})


def served(folder: Path, port: int, *start: str, **system: object) -> Connected:
    crm = {"kind": "rest", "url": f"http://127.0.0.1:{port}", "start": list(start), "retry": HASTY, **system}
    stores = {"system": "crm", "endpoint": "/stores", "known_at": {"column": "at"}, "columns": STORES}
    return opened(folder, {"crm": crm}, {"stores": stores})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_missing_folder_is_made_once(tmp_path: Path) -> None:
    source = files(tmp_path, "python", "-c", MAKE, str(tmp_path / "drop"))
    before = source.fingerprint("stores", WEEK)
    assert not (tmp_path / "drop").exists()
    assert source.read("stores", WEEK).num_rows == 1
    assert files(tmp_path, "python", "-c", MAKE, str(tmp_path / "drop")).read("stores", WEEK).num_rows == 1
    assert (tmp_path / "runs").read_text() == "x"
    assert source.fingerprint("stores", WEEK) != before


@pytest.mark.parametrize(
    ("command", "cause"),
    [
        (("python", "-c", FAIL), "failed with 1: no seeds left"),
        (("python", "-c", "pass"), "has ended without making"),
        (("no-such-program",), "`no-such-program` cannot be run: No such file"),
    ],
)
def test_a_command_that_fails_is_one_line(tmp_path: Path, command: tuple[str, ...], cause: str) -> None:
    with pytest.raises(SourceError, match=rf"^tills: stores of week {WEEK}: .*{cause}"):
        files(tmp_path, *command).read("stores", WEEK)


def test_a_server_is_started_and_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    port = free_port()
    served(tmp_path, port)
    script = (
        "from pathlib import Path; "
        "from coupon_pipeline.sources.connected import Connected; "
        f"folder = Path({str(tmp_path)!r}); source = Connected(folder / 'grocer.yaml', folder / 'data'); "
        f"print(source.read('stores', {WEEK!r})['store_id'].to_pylist(), source.read('stores', {WEEK!r}).num_rows)"
    )
    served(tmp_path, port, "python", "-c", SERVE, str(port))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("1\n")
    latest = time.monotonic() + 10
    while time.monotonic() < latest:
        try:
            httpx.get(f"http://127.0.0.1:{port}/", timeout=1)
        except httpx.TransportError:
            return
    pytest.fail("the server is still there")


def test_a_server_that_answers_already_is_used_as_it_is(tmp_path: Path) -> None:
    items = [{"no": 7, "area": "n", "kind": "k", "at": "2025-03-12T00:00:00Z"}]
    with serving(Api({"/stores": items})) as api:
        port = int(api.url.rpartition(":")[2])
        rows = served(tmp_path, port, "python", "-c", FAIL).read("stores", WEEK)
    assert rows["store_id"].to_pylist() == ["7"]


def test_a_server_that_does_not_come_up_is_one_line_with_its_last_words(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^crm: stores .*ended with 1 and does not answer: no seeds left$"):
        served(tmp_path, free_port(), "python", "-c", FAIL).read("stores", WEEK)
    sleepy = "import sys; print('yawn', file=sys.stderr, flush=True); sys.stdin.read()"
    with pytest.raises(SourceError, match=r"took over 0.3 s and does not answer: yawn$"):
        served(tmp_path, free_port(), "python", "-c", sleepy, start_seconds=0.3).read("stores", WEEK)


def test_only_systems_of_this_machine_are_started(tmp_path: Path) -> None:
    crm = {"kind": "rest", "url": "https://crm.example.com", "start": ["python"]}
    with pytest.raises(SourceError, match=r"systems\.crm.*start is for systems on this machine"):
        opened(tmp_path, {"crm": crm}, {})
