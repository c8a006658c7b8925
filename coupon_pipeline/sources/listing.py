"""Which files lie below a folder, and their digests, without reading again what has not changed."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

from coupon_pipeline.files import sha256_of

SETTLED_NS = 2_000_000_000
"""A file or folder that changed so shortly before it was read may change again without another time stamp."""


class Listing:
    """The files below a root; time stamps only tell what to look at again, never what is in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {}
        self._digests: dict[str, tuple[tuple[int, int, int], str]] = {}
        self._files: tuple[str, ...] = ()

    def files(self) -> tuple[str, ...]:
        """Paths below the root with `/`, sorted, without hidden files; the same object while nothing has changed."""
        found = tuple(sorted(self._walk("")))
        if found != self._files:
            self._files = found
        return self._files

    def digest(self, path: str) -> list[str | int]:
        """Path, size and SHA-256 of a file; raises OSError."""
        whole = self.root / path
        status = whole.stat()
        stamp = (status.st_size, status.st_mtime_ns, status.st_ino)
        known = self._digests.get(path)
        if known is None or known[0] != stamp:
            known = (stamp, sha256_of(whole))
            if time.time_ns() - status.st_mtime_ns > SETTLED_NS:
                self._digests[path] = known
        return [path, status.st_size, known[1]]

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            changed = (self.root / folder).stat().st_mtime_ns
        except FileNotFoundError:
            return
        known = self._folders.get(folder)
        if known is None or known[0] != changed:
            known = (changed, *self._scan(folder))
            if time.time_ns() - changed > SETTLED_NS:
                self._folders[folder] = known
        yield from known[1]
        for inner in known[2]:
            yield from self._walk(inner)

    def _scan(self, folder: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        prefix = f"{folder}/" if folder else ""
        with os.scandir(self.root / folder) as entries:
            shown = [entry for entry in entries if not entry.name.startswith(".")]
        files = tuple(prefix + entry.name for entry in shown if entry.is_file(follow_symlinks=True))
        return files, tuple(prefix + entry.name for entry in shown if entry.is_dir(follow_symlinks=False))
