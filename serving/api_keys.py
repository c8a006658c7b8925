"""Who may ask for what: bearer tokens by their digests, each of one client in one role."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from coupon_pipeline.ledger.keys import create_secret
from coupon_pipeline.settings import Settings

Role = Literal["till", "app", "batch", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
CLIENT: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
TOKEN: Final = re.compile(rb"[A-Za-z0-9._~+/=-]{16,512}")
DEVELOPMENT: Final = "development"
"""The client of the key that the program makes itself, a name that no other key may have."""
REMEDY: Final = "set COUPON_API_KEYS to a JSON file of SHA-256 of a token: {client, role}"


class ApiKeysError(ValueError):
    """Keys that are missing, damaged or not fit for production; the message says which and what to do."""


@dataclass(frozen=True)
class Client:
    """Who asks, as the key tells."""

    name: str
    role: Role


class ApiKeys:
    """The clients by the digest of their token; a client may have several tokens while one replaces another."""

    def __init__(self, clients: Mapping[bytes, Client]) -> None:
        self._clients = dict(clients)

    def client(self, token: bytes) -> Client | None:
        """Who has a token. Only digests are compared, so that time tells nothing of a token."""
        return self._clients.get(_digest(token)) if TOKEN.fullmatch(token) else None


def open_api_keys(settings: Settings) -> ApiKeys:
    """The keys that the settings allow; raises ApiKeysError and OSError.

    Production takes those of `api_keys` alone; development adds one of its own, which is made where it is missing.
    """
    clients = {} if settings.api_keys is None else read_clients(settings.api_keys)
    path = development_file(settings)
    if settings.environment == "production":
        if not clients:
            raise ApiKeysError(f"production needs keys for its clients: {REMEDY}")
        if path.exists() and _digest(_token(path)) in clients:
            raise ApiKeysError(f"{settings.api_keys}: holds the development key, which production refuses: take it out")
        return ApiKeys(clients)
    return ApiKeys({_digest(development_token(path)): Client(DEVELOPMENT, "admin")} | clients)


def development_file(settings: Settings) -> Path:
    """Where the development key lies."""
    return settings.ledger_folder / "development.key"


def development_token(path: Path) -> bytes:
    """The token of a file that its owner alone can read; made where it is missing. Raises ApiKeysError and OSError."""
    if not path.exists():
        create_secret(path, secrets.token_urlsafe(32) + "\n")
    return _token(path)


def read_clients(path: Path) -> dict[bytes, Client]:
    """Digest of a token -> client, from a JSON file; raises ApiKeysError, which shows nothing that it holds."""
    try:
        entries = json.loads(path.read_bytes(), object_pairs_hook=_once)
    except OSError as error:
        raise ApiKeysError(f"{path}: the file cannot be read ({error.strerror}); {REMEDY}") from error
    except ValueError as error:
        raise ApiKeysError(f"{path}: the file is not JSON, or names a key twice; {REMEDY}") from error
    if not isinstance(entries, dict) or not entries:
        raise ApiKeysError(f"{path}: the file holds no keys; {REMEDY}")
    return dict(_entry(path, at, key, value) for at, (key, value) in enumerate(entries.items(), start=1))


def _entry(path: Path, at: int, key: str, value: Any) -> tuple[bytes, Client]:
    if not DIGEST.fullmatch(key):
        raise ApiKeysError(f"{path}: key {at} is not the SHA-256 of a token, as 64 lower-case hex digits")
    if not isinstance(value, dict) or set(value) != {"client", "role"}:
        raise ApiKeysError(f"{path}: key {at} must have a client and a role, and nothing else")
    name, role = value["client"], value["role"]
    if not isinstance(name, str) or not CLIENT.fullmatch(name) or name == DEVELOPMENT:
        raise ApiKeysError(f"{path}: client of key {at}: give a short name such as store-7, other than {DEVELOPMENT}")
    if role not in ROLES:
        raise ApiKeysError(f"{path}: role of key {at}: give one of {', '.join(ROLES)}")
    return bytes.fromhex(key), Client(name, role)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _token(path: Path) -> bytes:
    token = path.read_bytes().strip()
    if not TOKEN.fullmatch(token):
        raise ApiKeysError(f"{path}: not a development key; remove the file, and another one is made")
    return token


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
