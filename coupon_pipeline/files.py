"""Files that are whole or absent: write beside, fsync, rename, fsync the folder."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

STALE_SECONDS = 3600


@contextmanager
def replacing(path: Path) -> Generator[Path]:
    """Yield a temporary path in the folder of `path`, which replaces `path` when the block ends without an error.

    Raises PermissionError or OSError, with the folder's name, if the folder cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    try:
        yield temporary
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace `path` by `text`, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sync(path: Path) -> None:
    """Force a file or a folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sweep(root: Path) -> int:
    """Remove temporaries that killed processes left over an hour ago; returns how many."""
    old = [path for path in root.rglob(".*.tmp") if path.is_file() and _age(path) > STALE_SECONDS]
    for path in old:
        path.unlink(missing_ok=True)
    return len(old)


def _age(path: Path) -> float:
    """Seconds since a file was written; 0 for one that its writer has just renamed away."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def sha256_of(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def check_writable(folder: Path) -> None:
    """Make sure that files can be written below a folder; raises PermissionError saying what to do."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise PermissionError(
            f"{folder.absolute()} cannot be written ({error.strerror}): set COUPON_DATA to a folder that can"
        ) from error
