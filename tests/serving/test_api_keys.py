"""Keys of the service: known by their digests, each with a client and a role."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from serving.api_keys import (
    ApiKeysError,
    Client,
    development_file,
    development_token,
    open_api_keys,
    read_clients,
)

from coupon_pipeline.settings import Settings

TOKEN = "a-token-of-thirty-two-characters"
TWICE = f'{{"{TOKEN}": 1, "{TOKEN}": 2}}'


def digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def written(path: Path, entries: Any) -> Path:
    path.write_text(json.dumps(entries), encoding="utf-8")
    return path


def entry(client: Any = "store-7", role: Any = "till") -> dict[str, Any]:
    return {"client": client, "role": role}


def test_a_token_stands_for_its_client_and_every_other_for_nobody(tmp_path: Path) -> None:
    keys = written(tmp_path / "keys.json", {digest(TOKEN): entry(), digest(TOKEN + "2"): entry()})
    opened = open_api_keys(Settings(data=tmp_path, api_keys=keys, environment="production"))
    assert opened.client(TOKEN.encode()) == opened.client(f"{TOKEN}2".encode()) == Client("store-7", "till")
    for other in (b"", TOKEN[:-1].encode(), digest(TOKEN).encode(), TOKEN.upper().encode(), TOKEN.encode() + b"\n"):
        assert opened.client(other) is None


def test_development_makes_a_key_and_keeps_it(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    path = development_file(settings)
    with ThreadPoolExecutor(8) as pool:
        [token] = set(pool.map(lambda _: development_token(path), range(8)))
    assert len(token) >= 43
    assert open_api_keys(settings).client(token) == Client("development", "admin")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [file.name for file in path.parent.iterdir()] == ["development.key"]


def test_development_takes_the_keys_of_a_file_too(tmp_path: Path) -> None:
    keys = written(tmp_path / "keys.json", {digest(TOKEN): entry()})
    opened = open_api_keys(Settings(data=tmp_path, api_keys=keys))
    assert opened.client(TOKEN.encode()) == Client("store-7", "till")


def test_production_does_not_know_the_development_key(tmp_path: Path) -> None:
    settings = Settings(data=tmp_path)
    token = development_token(development_file(settings))
    keys = written(tmp_path / "keys.json", {digest(TOKEN): entry()})
    production = settings.model_copy(update={"environment": "production", "api_keys": keys})
    assert open_api_keys(production).client(token) is None
    written(keys, {digest(token.decode()): entry()})
    with pytest.raises(ApiKeysError, match="holds the development key"):
        open_api_keys(production)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({}, "holds no keys"),
        ([], "holds no keys"),
        ({TOKEN: entry()}, "key 1 is not the SHA-256"),
        ({digest(TOKEN).upper(): entry()}, "key 1 is not the SHA-256"),
        ({digest("1"): entry(), digest("2"): "till"}, "key 2 must have a client and a role"),
        ({digest(TOKEN): entry() | {"scope": "all"}}, "key 1 must have a client and a role"),
        ({digest(TOKEN): entry(client="")}, "client of key 1"),
        ({digest(TOKEN): entry(client="Store 7")}, "client of key 1"),
        ({digest(TOKEN): entry(client="development")}, "client of key 1"),
        ({digest(TOKEN): entry(client=7)}, "client of key 1"),
        ({digest(TOKEN): entry(role="root")}, "role of key 1: give one of till, app, batch, admin"),
        ({digest(TOKEN): entry(role=None)}, "role of key 1"),
    ],
)
def test_a_file_that_does_not_fit_is_refused_without_showing_a_token(
    tmp_path: Path, entries: Any, message: str
) -> None:
    with pytest.raises(ApiKeysError, match=message) as refused:
        read_clients(written(tmp_path / "keys.json", entries))
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", TWICE, "\xff"])
def test_a_file_that_is_no_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ApiKeysError, match="is not JSON") as refused:
        read_clients(path)
    assert TOKEN not in str(refused.value)


def test_a_missing_file_and_a_broken_development_key_are_named(tmp_path: Path) -> None:
    with pytest.raises(ApiKeysError, match=r"none\.json: the file cannot be read"):
        read_clients(tmp_path / "none.json")
    (tmp_path / "development.key").write_text("too short\n")
    with pytest.raises(ApiKeysError, match="not a development key"):
        development_token(tmp_path / "development.key")
