"""What a path of the service takes, and what the guard hands on of a request that it lets through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pydantic import BaseModel

from serving.api_keys import Client, Role

ADMITTED: Final = "coupons.admitted"
"""Where the scope of a request that the guard let through holds what it found."""


@dataclass(frozen=True)
class Route:
    """What one path takes; a path that ends in `/*` stands for everything below it."""

    methods: tuple[str, ...] = ("GET", "HEAD")
    body: type[BaseModel] | None = None
    max_bytes: int = 0
    needs_bundle: bool = False
    needs_ledger: bool = False
    """Whether it answers only as long as the ledger does not fail again and again."""
    roles: tuple[Role, ...] = ()
    """Who may ask; empty: everybody, without a key."""
    needs_key: bool = False
    """Whether the request must carry an Idempotency-Key."""


@dataclass(frozen=True)
class Admitted:
    """A request that passed the guard."""

    client: Client | None
    key: str
    """Its Idempotency-Key; empty where the route needs none."""
    body: Any
    """The body as its model, None where the route takes none."""
