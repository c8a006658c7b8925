"""The files of a bundle: one array each, two of JSON, and the version that their digests give."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from coupon_pipeline.snapshot.content import ARRAYS, PLAIN, TREES, BundleContent
from coupon_pipeline.snapshot.trees import Trees


def version_of(week: str, digests: dict[str, str]) -> str:
    """The version's name: the cycle, and 12 hex digits over the digests of all files."""
    text = json.dumps(digests, sort_keys=True, separators=(",", ":"))
    return f"{week}-{sha256(text.encode()).hexdigest()[:12]}"


def file_names() -> tuple[str, ...]:
    """The files that a manifest names."""
    arrays = [f"{name}.npy" for name in ARRAYS] + [f"trees.{name}.npy" for name in TREES]
    return (*arrays, "coupons.json", "about.json")


def encode(content: BundleContent) -> dict[str, bytes]:
    """The files of a bundle; the same content gives the same bytes."""
    arrays = {f"{name}.npy": getattr(content, name) for name in ARRAYS}
    arrays |= {f"trees.{name}.npy": getattr(content.trees, name) for name in TREES}
    coupons = {"names": content.coupon_names, "categories": content.coupon_categories}
    about = {name: getattr(content, name) for name in PLAIN}
    texts = {"coupons.json": coupons, "about.json": about}
    encoded = {name: to_json(value) for name, value in texts.items()}
    return {name: _npy(array) for name, array in arrays.items()} | encoded


def to_json(value: Any) -> bytes:
    """Canonical JSON for people to read; raises ValueError for NaN and infinity."""
    return (json.dumps(value, indent=1, sort_keys=True, allow_nan=False) + "\n").encode()


def _npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
    return stream.getvalue()


def decode(folder: Path) -> BundleContent:
    """The content of a folder that `encode` wrote; raises KeyError, TypeError or ValueError where it did not."""
    about, coupons = (
        json.loads((folder / name).read_text(encoding="utf-8")) for name in ("about.json", "coupons.json")
    )
    names = tuple(about.pop("feature_names"))
    arrays: dict[str, Any] = {name: _array(folder / f"{name}.npy") for name in ARRAYS}
    trees = Trees(names, **{name: _array(folder / f"trees.{name}.npy") for name in TREES})
    return BundleContent(
        trees=trees,
        feature_names=names,
        coupon_names=tuple(coupons["names"]),
        coupon_categories=tuple(coupons["categories"]),
        **arrays,
        **about,
    )


def _array(path: Path) -> np.ndarray:
    # A plain view of the map: the memmap class itself makes every NumPy call slower.
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
