"""Publishes a bundle so that a reader, whenever it looks, finds the old version or the new one, whole."""

from __future__ import annotations

import shutil
from hashlib import sha256
from pathlib import Path
from typing import Final

from coupon_pipeline.files import sync, write_text
from coupon_pipeline.snapshot.bundle import (
    FORMAT,
    VERSION,
    BadBundleError,
    current_version,
    open_bundle,
    open_version,
    verify_files,
)
from coupon_pipeline.snapshot.check import check
from coupon_pipeline.snapshot.content import BundleContent
from coupon_pipeline.snapshot.encoding import encode, to_json, version_of

KEPT: Final = 3
"""Versions that stay on disk: the current one, and those that a reader may still map or that one may roll back to."""


def write(root: Path, content: BundleContent) -> str:
    """Publish `content` under `root` and make it current, unless a later cycle already is; returns its version.

    Publishing the same content again changes no byte of it; a damaged folder of that version gives way to a fresh one.
    Raises ValueError, naming the field, for content that does not fit together, and BadBundleError if the written
    version does not read back, in which case the version before stays current.
    """
    check(content)
    files = encode(content)
    digests = {name: sha256(data).hexdigest() for name, data in files.items()}
    version = version_of(content.week, digests)
    if not _is_whole(root / version, version):
        files["manifest.json"] = to_json({"format": FORMAT, "version": version, "files": digests})
        _place(root, version, files)
    open_version(root, version)
    if not _is_superseded(root, content.week):
        write_text(root / "current.json", to_json({"version": version}).decode())
    _prune(root, current_version(root))
    return version


def _is_superseded(root: Path, week: str) -> bool:
    """Whether the current version is whole and of a later cycle: deciding an old week again must not bring it back."""
    try:
        return open_bundle(root).content.week > week
    except BadBundleError:
        return False


def _is_whole(folder: Path, version: str) -> bool:
    try:
        verify_files(folder, version)
    except BadBundleError:
        return False
    return True


def _place(root: Path, version: str, files: dict[str, bytes]) -> None:
    """Write the folder beside its place, force it to disk, then rename it; a damaged folder there gives way."""
    temporary = root / f".{version}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    for name, data in files.items():
        (temporary / name).write_bytes(data)
        sync(temporary / name)
    sync(temporary)
    if (root / version).exists():
        damaged = root / f".{version}.damaged.tmp"
        shutil.rmtree(damaged, ignore_errors=True)
        (root / version).rename(damaged)
    temporary.rename(root / version)
    sync(root)


def _prune(root: Path, current: str) -> None:
    """Remove what killed publishers left, and all versions but the current one and the latest published before it."""
    versions = [path for path in root.iterdir() if VERSION.fullmatch(path.name) and path.name != current]
    latest = sorted(versions, key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for path in (*latest[KEPT - 1 :], *root.glob(".*.tmp")):
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
