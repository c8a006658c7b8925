"""What a data contract says, compiled: columns, key, rules, references, and how much dirt it allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

KNOWN_AT = "known_at"
"""The column of every table that says when we could first know the row; it belongs to a change log's unique key."""


class ContractError(ValueError):
    """A contract that is missing, or that says something this pipeline cannot hold; names the file and the rule."""


@dataclass(frozen=True)
class Column:
    """A column of a table, in file order."""

    name: str
    physical_type: str
    required: bool
    description: str
    classification: str | None = None
    enum: tuple[str, ...] = ()

    @property
    def personal(self) -> bool:
        """Whether its values are personal data, which no report may show."""
        return (self.classification or "").startswith("pii")


@dataclass(frozen=True)
class Rule:
    """One promise of a contract.

    `expectation` is the Great Expectations type that tests it, with `kwargs`; it is None where the reading itself tells
    (columns, types, surplus copies). `columns` are those whose values are shown where it is broken, `reason` its plain
    words. `reference` is the `table.column` that a foreign key points to.
    """

    id: str
    scope: Literal["row", "table"]
    dimension: str
    severity: Literal["error", "warning"]
    reason: str
    columns: tuple[str, ...] = ()
    expectation: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    reference: str | None = None


@dataclass(frozen=True)
class Contract:
    """A data contract; `key` is the natural key, `digest` the SHA-256 of the YAML file."""

    name: str
    id: str
    version: str
    description: str
    owner: str
    kind: Literal["fact", "change_log"]
    mandatory: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...]
    references: Mapping[str, str]
    quarantine_max_percent: float
    digest: str

    @property
    def label(self) -> str:
        """Id and version, as quarantined rows and messages carry it."""
        return f"{self.id}:{self.version}"

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The columns that occur once within a week: the natural key, and in a change log the instant too."""
        return self.key if self.kind == "fact" or KNOWN_AT in self.key else (*self.key, KNOWN_AT)

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError."""
        return {column.name: column for column in self.columns}[name]
