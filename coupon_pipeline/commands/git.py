"""Reads the files of a folder as the commits of its git repository have them."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

SETTINGS: Final = ("-c", "core.quotepath=false", "-c", "log.showSignature=false")
FOLDED: Final = ("--full-history", "-m", "--raw", "--no-abbrev", "--no-renames", "--relative")
"""What a merge alone brings in is listed too, and a file keeps its path."""
NOTHING: Final = "0" * 40


class NoHistoryError(LookupError):
    """A folder without commits, or a machine without git; the message says which."""


def contents_at(folder: Path, ref: str) -> dict[str, bytes]:
    """File name -> content of the files directly in a folder at a commit; raises NoHistoryError."""
    found = {}
    for line in _git(folder, "ls-tree", ref, "./").decode().splitlines():
        about, name = line.split("\t", 1)
        _, kind, blob = about.split()
        if kind == "blob":
            found[name] = blob
    contents = _blobs(folder, list(found.values()))
    return {name: contents[blob] for name, blob in found.items()}


def history(folder: Path) -> dict[str, list[tuple[str, bytes]]]:
    """File name -> its contents in all commits up to HEAD, each once, with the newest commit that brought it in.

    Newest first; raises NoHistoryError.
    """
    blobs: dict[str, dict[str, str]] = {}
    commit = ""
    for line in _git(folder, "log", "--format=%H", *FOLDED, "--", ".").decode().splitlines():
        if line.startswith(":"):
            about, name = line.split("\t", 1)
            blob = about.split()[3]
            if blob != NOTHING and "/" not in name:
                blobs.setdefault(name, {}).setdefault(blob, commit)
        elif line:
            commit = line.split()[0]
    contents = _blobs(folder, [blob for versions in blobs.values() for blob in versions])
    return {name: [(at, contents[blob]) for blob, at in versions.items()] for name, versions in blobs.items()}


def is_shallow(folder: Path) -> bool:
    """Whether the repository holds only its last commits."""
    return _git(folder, "rev-parse", "--is-shallow-repository").strip() == b"true"


def _blobs(folder: Path, names: Sequence[str]) -> Mapping[str, bytes]:
    """Name of a blob -> its content, all by one process."""
    answer = _git(folder, "cat-file", "--batch", given="".join(f"{name}\n" for name in names).encode())
    found, at = {}, 0
    for name in names:
        end = answer.index(b"\n", at)
        size = int(answer[at:end].split()[2])
        found[name] = answer[end + 1 : end + 1 + size]
        at = end + 1 + size + 1
    return found


def _git(folder: Path, *words: str, given: bytes = b"") -> bytes:
    try:
        done = subprocess.run(["git", *SETTINGS, *words], cwd=folder, input=given, capture_output=True, check=True)
    except FileNotFoundError as error:
        raise NoHistoryError("git is not installed") from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {error.returncode}"]
        raise NoHistoryError(f"git {words[0]} says: {said[0]}") from error
    return done.stdout
