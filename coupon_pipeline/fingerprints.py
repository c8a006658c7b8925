"""Digests that tell what is stale: of inputs, of code, of settings."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from coupon_pipeline.files import sha256_of


def fingerprint(*parts: Any) -> str:
    """Hex SHA-256 over JSON-able parts; equal parts give equal digests on any machine."""
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_of(*modules: str) -> str:
    """Digest of the source of modules, and of all that lies below them where they are packages."""
    return fingerprint([[path.name, sha256_of(path)] for module in modules for path in _sources(module)])


def _sources(module: str) -> list[Path]:
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"no module {module!r} to take a digest of")
    origin = Path(spec.origin)
    if origin.name != "__init__.py":
        return [origin]
    return sorted(path for path in origin.parent.rglob("*") if path.suffix in {".py", ".sql"})
