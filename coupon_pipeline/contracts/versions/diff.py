"""Compares two versions of a data contract: every difference, and whether it breaks those who send or read the table.

It reads the ODCS documents, not what they compile to, so that a version written for another compiler can be compared.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from coupon_pipeline.contracts.versions.changes import (
    ABSENT,
    Change,
    Path,
    changes,
    fits,
    named,
)
from coupon_pipeline.contracts.versions.meanings import MEANINGS
from coupon_pipeline.contracts.versions.places import COLUMN, RULE, WHOLE, judged

LONG: Final = frozenset(["description", "businessImpact", "examples", "customProperties", "logicalType"])
"""Parts of a column or rule that are not shown where it comes or goes as a whole."""
WRAPPINGS: Final = frozenset(["logicalTypeOptions", "customProperties", "implementation", "kwargs"])
"""Parts of a path that tell a reader nothing."""
SHOWN: Final = 60
"""Characters of a value that are shown."""


@dataclass(frozen=True)
class Difference:
    """One difference between two versions of a contract, with the code of its kind (`meanings.MEANINGS`)."""

    contract: str
    code: str
    where: str
    old: str
    new: str
    renamed: str = ""
    """Of a column that is gone: the column that may be the same under another name."""

    @property
    def breaking(self) -> bool:
        """Whether somebody who sends or reads the table has to change."""
        return MEANINGS[self.code].breaking

    @property
    def why(self) -> str:
        """What it means, in plain words."""
        return MEANINGS[self.code].why + (f"; renamed to {self.renamed}?" if self.renamed else "")


def differences(old: Mapping[str, Any] | None, new: Mapping[str, Any] | None, name: str = "") -> list[Difference]:
    """All differences between two documents, breaking ones first; None stands for a contract that is not there."""
    name = name or table_of(new or old or {})
    if old is None or new is None:
        code = "contract.added" if old is None else "contract.removed"
        return [] if old is new else [Difference(name, code, "", version_of(old or {}), version_of(new or {}))]
    before, after = named(old), named(new)
    all_changes = list(changes(before, after, WHOLE))
    added = [change.path[-1] for change in all_changes if change.added and fits(change.path, COLUMN)]
    told = [_difference(name, change, judged(change, before, after), added) for change in all_changes]
    return sorted(told, key=lambda one: not one.breaking)


def table_of(document: Mapping[str, Any]) -> str:
    """The table that a document describes, or its id."""
    tables = document.get("schema")
    first = tables[0] if isinstance(tables, list) and tables else {}
    return str(first.get("name") if isinstance(first, dict) and "name" in first else document.get("id", ""))


def version_of(document: Mapping[str, Any]) -> str:
    """The version that a document gives itself."""
    return str(document.get("version", ""))


def _difference(name: str, change: Change, code: str, added: Sequence[str]) -> Difference:
    alike = difflib.get_close_matches(change.path[-1], added, 1) if code == "column.removed" else []
    return Difference(name, code, _where(change.path), _shown(change.old), _shown(change.new), "".join(alike))


def _where(path: Path) -> str:
    """The place in words: a column, a rule, a promise, or the path itself."""
    if len(path) > 2 and "customProperties" in path and path[-1] == "value":
        path = path[:-1]
    inner = [part for part in path[3:] if part not in WRAPPINGS]
    if fits(path, (*COLUMN, "**")):
        return ".".join(inner)
    if fits(path, (*RULE, "**")):
        return f"rule {'.'.join(inner)}"
    return ".".join(part for part in path if part not in WRAPPINGS) or ".".join(path)


def _shown(value: Any) -> str:
    text = "-" if value is ABSENT else _words(value)
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 1]}…"


def _words(value: Any) -> str:
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key not in LONG} or value
        return ", ".join(f"{key}: {_words(item)}" if item != {} else key for key, item in value.items())
    if isinstance(value, list):
        return f"[{', '.join(map(_words, value))}]"
    return str(value).lower() if isinstance(value, bool) or value is None else str(value)
