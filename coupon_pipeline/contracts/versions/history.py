"""Holds the versions of a contract to their meaning: within a major version nothing breaks, and no version changes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coupon_pipeline.contracts.versions.diff import Difference, differences, version_of

Version = tuple[int, int, int]
ENDED: Final = ("deprecated", "retired")
"""Status of a contract that may be deleted."""


@dataclass(frozen=True)
class Committed:
    """A contract as a commit has it."""

    commit: str
    document: Mapping[str, Any]


def refused(name: str, document: Mapping[str, Any] | None, committed: Sequence[Committed]) -> list[str]:
    """Why a contract may not stay as it is, one line per difference; `committed` are all its versions, newest first.

    None stands for a contract that is gone: it may go once a commit has it as deprecated or retired.
    """
    if document is None:
        return _gone(name, committed[0]) if committed else []
    version = _version(document)
    if version is None:
        return [f"{name}: version is {version_of(document)!r}: give three numbers, such as 1.2.0"]
    before = [(found, each) for each in committed if (found := _version(each.document)) is not None]
    highest = max((found for found, _ in before), default=version)
    if version < highest:
        return [
            f"{name}: version {_words(version)} comes after {_words(highest)}: a version only rises, raise version to "
            f"{_words(_next_major(highest))}, or to {_words(_next_minor(highest))} if nothing breaks"
        ]
    same_major = [each for found, each in before if found[0] == version[0]]
    lines = list(_lines(name, document, same_major, True, _next_major(version)))
    if not lines:
        same = [each for found, each in before if found == version]
        lines = list(_lines(name, document, same, False, _next_minor(version)))
    # Of what several commits have in the same way, the newest one is named.
    return list({line.partition(" since ")[0]: line for line in reversed(lines)}.values())[::-1]


def _lines(
    name: str, document: Mapping[str, Any], committed: Sequence[Committed], breaking: bool, version: Version
) -> Iterator[str]:
    for each in committed:
        for found in differences(each.document, document, name):
            if found.breaking == breaking:
                yield (
                    f"{_told(found)} since {version_of(each.document)} of commit {each.commit[:9]}: {found.why}; "
                    f"raise version to {_words(version)}"
                )


def _told(found: Difference) -> str:
    return f"{found.contract}: {found.code} {found.where}, {found.old} -> {found.new},"


def _gone(name: str, last: Committed) -> list[str]:
    if last.document.get("status") in ENDED:
        return []
    return [
        f"{name}: contract.removed, {version_of(last.document)} of commit {last.commit[:9]} -> -: give it status "
        f"{ENDED[0]} in one commit, and delete it in a later one"
    ]


def _version(document: Mapping[str, Any]) -> Version | None:
    found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", version_of(document))
    return (int(found[1]), int(found[2]), int(found[3])) if found else None


def _next_major(version: Version) -> Version:
    return (version[0] + 1, 0, 0)


def _next_minor(version: Version) -> Version:
    return (version[0], version[1] + 1, 0)


def _words(version: Version) -> str:
    return ".".join(map(str, version))
