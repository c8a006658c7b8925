"""Removes published versions that hold a household which is erased."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from coupon_pipeline.snapshot.bundle import (
    VERSION,
    BadBundleError,
    current_version,
)

HOUSEHOLDS = "household_ids.npy"


def forget(root: Path, households: np.ndarray) -> int:
    """Remove all versions with one of `households` (int64), but the current one; returns how many.

    A service that still maps such a version keeps its memory until it switches, which takes about a second.
    """
    current = _current(root)
    old = [path for path in _versions(root) if path.name != current and _holds(path, households)]
    for path in old:
        # Renamed first: a version is whole or absent, also for a reader that looks now.
        path.rename(root / f".{path.name}.tmp")
        shutil.rmtree(root / f".{path.name}.tmp")
    return len(old)


def _versions(root: Path) -> list[Path]:
    return sorted(path for path in root.glob("*") if VERSION.fullmatch(path.name))


def _current(root: Path) -> str | None:
    try:
        return current_version(root)
    except BadBundleError:
        return None


def _holds(path: Path, households: np.ndarray) -> bool:
    if not len(households) or not (path / HOUSEHOLDS).exists():
        return False
    return bool(np.isin(households, np.load(path / HOUSEHOLDS, mmap_mode="r", allow_pickle=False)).any())
