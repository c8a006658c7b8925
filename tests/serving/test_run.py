"""The service says in one line why it cannot start, and ends with code 2; else it says how to use it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from serving.api_keys import development_file
from serving.greeting import greeting
from serving.run import exported, serve
from tests.serving.conftest import Server
from tests.serving.world import prepare, token_of

from coupon_pipeline.settings import Settings


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return prepare(tmp_path_factory.mktemp("prepared"))


def refusal(capsys: pytest.CaptureFixture[str], settings: Settings, host: str = "127.0.0.1", port: int = 0) -> str:
    with pytest.raises(SystemExit) as ended:
        serve(settings, host, port)
    assert ended.value.code == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


def in_production(settings: Settings, **changes: Any) -> Settings:
    return settings.model_copy(update={"environment": "production"} | changes)


def test_a_port_in_use_is_named_with_what_to_do(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert refusal(capsys, prepared, port=port).startswith(f"port {port} is in use")


def test_a_damaged_bundle_is_named_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = prepare(tmp_path)
    next(settings.bundles.glob("*/popular.npy")).write_bytes(b"")
    assert "popular.npy: the file is damaged" in refusal(capsys, settings)


def test_where_there_is_nothing_to_serve_it_says_what_to_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert refusal(capsys, Settings(data=tmp_path)).endswith("make run\n")


def test_only_loopback_is_listened_on(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert refusal(capsys, prepared, host="0.0.0.0").startswith("host 0.0.0.0 is not a loopback address")


def test_production_needs_keys_of_its_clients(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert "set COUPON_API_KEYS" in refusal(capsys, in_production(prepared, api_keys=None))


def test_production_refuses_the_development_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    settings = prepare(tmp_path)
    development_file(settings).write_text(token_of("office"))
    assert "holds the development key" in refusal(capsys, in_production(settings))


def test_production_refuses_ledger_keys_of_development(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert "made in development" in refusal(capsys, in_production(prepared))


def test_production_makes_no_ledger_keys(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    settings = in_production(prepared, ledger_keys=prepared.data / "none.json")
    assert "none.json: the file with the ledger's keys is missing" in refusal(capsys, settings)
    assert not (prepared.data / "none.json").exists()


def test_a_file_of_keys_that_is_none_is_named(prepared: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    (prepared.data / "odd.json").write_text('{"secret-marker": {"client": "store-7", "role": "till"}}')
    found = refusal(capsys, prepared.model_copy(update={"api_keys": prepared.data / "odd.json"}))
    assert "odd.json: key 1 is not the SHA-256 of a token" in found
    assert "secret-marker" not in found


@pytest.mark.parametrize("url", ["sqlite:///{data}", "sqlite:///{data}/garbage.db", "postgresql://127.0.0.1:1/none"])
def test_a_ledger_that_cannot_be_opened_is_told(
    prepared: Settings, capsys: pytest.CaptureFixture[str], url: str
) -> None:
    (prepared.data / "garbage.db").write_bytes(b"no database " * 500)
    assert refusal(capsys, prepared.model_copy(update={"ledger_url": url.format(data=prepared.data)}))


def test_settings_are_the_same_in_a_worker(prepared: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = in_production(prepared, liability_cents=5, ledger_url="postgresql://host/name")
    for name, value in exported(changed).items():
        monkeypatch.setenv(name, value)
    assert Settings() == changed


def test_without_a_bundle_it_says_what_to_do() -> None:
    told = greeting("http://127.0.0.1:3000", None, []).splitlines()
    assert told[0] == "http://127.0.0.1:3000  no bundle yet: publish one with `make run`, it is then picked up"
    assert told[-1].startswith("Listens on this machine alone")


def test_the_greeting_shows_a_request_that_gets_offers(server: Server) -> None:
    body = server.greeting.split("-d '")[1].split("'")[0]
    assert server.post("/recommend", body).json["offers"]


CURL = """#!{python}
import json, sys, urllib.error, urllib.request
asked = sys.argv[1:]
heads = [asked[at + 1] for at, word in enumerate(asked) if word == "-H"]
body = asked[asked.index("-d") + 1].encode()
request = urllib.request.Request(asked[1], body, dict(head.split(": ", 1) for head in heads))
try:
    answer = urllib.request.urlopen(request)
except urllib.error.HTTPError as refusal:
    answer = refusal
sys.stdout.write(answer.read().decode())
"""
"""As much of curl as the README asks for: a machine need not have it."""
README = Path(__file__).parents[2] / "README.md"


def test_a_coupons_life_by_curl_goes_as_the_readme_tells_it(server: Server, tmp_path: Path) -> None:
    (tmp_path / "curl").write_text(CURL.format(python=sys.executable))
    (tmp_path / "curl").chmod(0o755)
    given = [line.strip() for line in server.greeting.splitlines() if line.startswith(("  KEY=", "  URL="))]
    [life] = [text.partition("```")[0] for text in README.read_text().split("```sh\n") if text.startswith("post() {")]
    found = subprocess.run(
        ["sh", "-ec", "\n".join([*given, life])],
        env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.split("\n")
    valid, first, again, back, second = (json.loads(line) for line in found if line.startswith("{"))
    assert first["discount_cents"] == valid["value_cents"]
    assert again["code"] == "already_redeemed"
    assert back["issue_id"] == first["issue_id"] == second["issue_id"]
    assert back["state"] == "issued"
    assert second["redemption_id"] != first["redemption_id"]


def test_the_development_key_is_for_its_owner_alone(server: Server) -> None:
    path = development_file(server.settings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert f"KEY={path.read_text().strip()}\n" in server.greeting
