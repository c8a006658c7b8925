"""A published bundle as the service reads it: verified file by file, then held as arrays."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np

from coupon_pipeline.files import sha256_of
from coupon_pipeline.snapshot.check import check
from coupon_pipeline.snapshot.content import BundleContent
from coupon_pipeline.snapshot.encoding import decode, file_names, version_of
from coupon_pipeline.snapshot.identity import decision_id
from coupon_pipeline.snapshot.rank import category_groups

FORMAT: Final = 1
VERSION: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-[0-9a-f]{12}")
SAMPLE: Final = 10_000
REMEDY: Final = "materialise the snapshot again: make run"


class BadBundleError(RuntimeError):
    """A bundle that is missing or damaged; the message says which file, what is wrong and what to do."""


@dataclass(frozen=True)
class Bundle:
    """The content of one published version, with the look-ups that answers need."""

    version: str
    content: BundleContent

    @cached_property
    def decided_at(self) -> datetime:
        """Decision time, naive UTC."""
        return datetime.fromisoformat(self.content.decided_at)

    @cached_property
    def feature_groups(self) -> np.ndarray:
        """The block of each feature in model order, int64 [F]: 0 household, 1 coupon, 2 pair."""
        return np.repeat(np.arange(3), [block.shape[1] for block in self._blocks])[self.content.columns]

    @cached_property
    def typical_features(self) -> np.ndarray:
        """The middle value of each feature in model order, float64 [F]; NaN where no row has one."""
        return np.concatenate([_middle(block) for block in self._blocks])[self.content.columns]

    @cached_property
    def coupon_groups(self) -> np.ndarray:
        """The category of each coupon as a number, int64 [J]; see rank.category_groups."""
        return category_groups(self.content.coupon_categories)

    @property
    def _blocks(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.content.household_features, self.content.coupon_features, self.content.pair_features

    @cached_property
    def _pair_keys(self) -> np.ndarray:
        households = np.repeat(np.arange(len(self.content.household_ids)), np.diff(self.content.pair_offsets))
        return households * len(self.content.coupon_ids) + self.content.pair_coupon

    def household(self, household_id: int) -> int | None:
        """Position of a household, None if the bundle does not know it."""
        found = _positions(self.content.household_ids, np.array([household_id]))[0]
        return None if found < 0 else int(found)

    def pairs_of(self, household: int) -> np.ndarray:
        """Positions of a household's pairs, int64, by rising coupon."""
        return np.arange(self.content.pair_offsets[household], self.content.pair_offsets[household + 1])

    def find_pairs(self, household_ids: np.ndarray, coupon_ids: np.ndarray) -> np.ndarray:
        """Positions of pairs given by ids (int64 [n] each), int64 [n]; -1 where the bundle holds no such pair."""
        household = _positions(self.content.household_ids, household_ids)
        coupon = _positions(self.content.coupon_ids, coupon_ids)
        found = _positions(self._pair_keys, household * len(self.content.coupon_ids) + coupon)
        return np.where((household < 0) | (coupon < 0), -1, found)

    def features(self, pairs: np.ndarray) -> np.ndarray:
        """Feature rows of pairs (positions, int64 [n]) in model order, float64 [n, F]."""
        content = self.content
        household = np.searchsorted(content.pair_offsets, pairs, side="right") - 1
        blocks = (
            content.household_features[household],
            content.coupon_features[content.pair_coupon[pairs]],
            content.pair_features[pairs],
        )
        return np.concatenate(blocks, axis=1)[:, content.columns]

    def decision_id(self, household_id: int, coupon_id: int) -> str:
        """The identity of this cycle's decision for a household and a coupon."""
        content = self.content
        return decision_id(content.source, content.week, household_id, coupon_id, content.policy_version)


def _positions(rising: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Where `wanted` stands in a strictly rising array, int64 [n]; -1 where it does not."""
    if len(rising) == 0:
        return np.full(len(wanted), -1)
    at = np.minimum(np.searchsorted(rising, wanted), len(rising) - 1)
    return np.where(rising[at] == wanted, at, -1)


def _middle(block: np.ndarray) -> np.ndarray:
    """Lower median of each column, over at most SAMPLE evenly spaced rows."""
    if not len(block):
        return np.full(block.shape[1], np.nan)
    rows = np.sort(block[:: -(-len(block) // SAMPLE)], axis=0)
    known = (~np.isnan(rows)).sum(axis=0)  # NaN is sorted behind all numbers
    return rows[np.maximum(known - 1, 0) // 2, np.arange(block.shape[1])]


def open_bundle(root: Path) -> Bundle:
    """The version that `current.json` names, after `open_version`; raises BadBundleError."""
    return open_version(root, current_version(root))


def current_version(root: Path) -> str:
    """The version that `root/current.json` names; raises BadBundleError if there is none or it is not a version."""
    version = _json(root / "current.json").get("version")
    if not isinstance(version, str) or not VERSION.fullmatch(version):
        raise BadBundleError(f"{root / 'current.json'}: {str(version)[:80]!r} is not a bundle version; {REMEDY}")
    return version


def open_version(root: Path, version: str) -> Bundle:
    """One version, verified: manifest, SHA-256 of every file, shapes and bounds, canary scores bit by bit.

    Raises BadBundleError. Arrays are mapped, not copied: replacing a published file in place would be unsafe.
    """
    folder = root / version
    try:
        verify_files(folder, version)
        content = decode(folder)
        check(content)
        scores = content.trees.raw(content.canary_features)
    except (KeyError, OSError, TypeError, ValueError) as error:
        raise BadBundleError(f"{folder}: {error}; {REMEDY}") from error
    if scores.tobytes() != content.canary_raw.tobytes():
        raise BadBundleError(f"{folder / 'canary_raw.npy'}: the trees give the canary rows other scores; {REMEDY}")
    return Bundle(version, content)


def verify_files(folder: Path, version: str) -> None:
    """Raise BadBundleError unless the manifest is that of `version` and every file has the digest it names."""
    manifest = _json(folder / "manifest.json")
    digests = manifest.get("files")
    if manifest.get("format") != FORMAT or not isinstance(digests, dict) or set(digests) != set(file_names()):
        raise BadBundleError(f"{folder / 'manifest.json'}: not a manifest of format {FORMAT}; {REMEDY}")
    if version_of(version[:10], digests) != version:
        raise BadBundleError(f"{folder / 'manifest.json'}: its digests belong to another version; {REMEDY}")
    for name, digest in digests.items():
        path = folder / name
        if not path.is_file():
            raise BadBundleError(f"{path}: the file is missing; {REMEDY}")
        if sha256_of(path) != digest:
            raise BadBundleError(f"{path}: the file is damaged, its SHA-256 differs from the manifest; {REMEDY}")


def _json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise BadBundleError(f"{path}: the file is missing; {REMEDY}") from error
    except (OSError, ValueError) as error:
        raise BadBundleError(f"{path}: the file cannot be read as JSON; {REMEDY}") from error
    if not isinstance(value, dict):
        raise BadBundleError(f"{path}: the file does not hold a JSON object; {REMEDY}")
    return value
