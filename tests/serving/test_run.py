"""The service says in one line why it cannot start, and ends with code 2."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from serving.run import serve
from tests.serving.conftest import Server
from tests.snapshot.factory import content

from coupon_pipeline.snapshot.write import write


def refusal(capsys: pytest.CaptureFixture[str], root: Path, host: str = "127.0.0.1", port: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        serve(root, host, port)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def test_a_port_in_use_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, content())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(capsys, tmp_path, port=port).startswith(f"port {port} is in use")


def test_a_missing_bundle_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, tmp_path).endswith("materialise the snapshot again: make run\n")


def test_a_damaged_bundle_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = write(tmp_path, content())
    (tmp_path / version / "popular.npy").write_bytes(b"")
    assert "popular.npy: the file is damaged" in refusal(capsys, tmp_path)


def test_only_loopback_is_listened_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, tmp_path, host="0.0.0.0").startswith("host 0.0.0.0 is not a loopback address")


def test_the_greeting_shows_a_request_that_gets_offers(server: Server) -> None:
    body = server.greeting.split("-d '")[1].split("'")[0]
    assert server.post("/recommend", body).json["offers"]
