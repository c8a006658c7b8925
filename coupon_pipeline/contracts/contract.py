"""What a data contract says, compiled: columns, key, rules, references, and how much dirt it allows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

KNOWN_AT = "known_at"
"""The column of every table that says when we could first know the row; it belongs to a change log's unique key."""

MASK = "***"
"""What stands in every report in the place of personal data."""


class ContractError(ValueError):
    """A contract that is missing, or that says something this pipeline cannot hold; names the file and the rule."""


@dataclass(frozen=True)
class Column:
    """A column of a table, in file order."""

    name: str
    physical_type: str
    required: bool
    description: str
    unit: str
    classification: str | None = None
    enum: tuple[str, ...] = ()
    examples: tuple[Any, ...] = ()
    impact: str = ""
    """What goes wrong for the grocer or the shopper where the rules that the column implies are broken."""

    @property
    def personal(self) -> bool:
        """Whether its values are personal data, which no report may show."""
        return (self.classification or "").startswith("pii")


Action = Literal["quarantine", "warn", "block"]
"""What a broken rule leads to: the row is set aside, it is told, or the week is not published."""


@dataclass(frozen=True)
class Promise:
    """A service level: what the deliverer promises about a table, or about `element`, a `table.column`."""

    property: str
    value: str
    unit: str = ""
    element: str = ""


@dataclass(frozen=True)
class Rule:
    """One rule of a contract.

    `expectation` is the Great Expectations type that tests it, with `kwargs`; it is None where the reading itself tells
    (columns, types, surplus copies, keys seen before). `columns` are those whose values are shown where it is broken,
    `reason` says in plain words what must hold, `impact` what goes wrong where it does not. `reference` is the
    `table.column` of another table that it is held against, `line` where the YAML says so, 0 for a built-in rule.
    """

    id: str
    scope: Literal["row", "table"]
    dimension: str
    severity: Literal["error", "warning"]
    reason: str
    action: Action
    columns: tuple[str, ...] = ()
    expectation: str | None = None
    kwargs: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    reference: str | None = None
    impact: str = ""
    line: int = 0

    @property
    def other(self) -> str | None:
        """The table that it is held against, if any."""
        return None if self.reference is None else self.reference.split(".")[0]


@dataclass(frozen=True)
class Contract:
    """A data contract; `key` is the natural key, `digest` the SHA-256 of the YAML file."""

    name: str
    id: str
    title: str
    version: str
    domain: str
    description: str
    limitations: str
    granularity: str
    owner: str
    kind: Literal["fact", "change_log"]
    mandatory: bool
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    rules: tuple[Rule, ...]
    references: Mapping[str, str]
    """Column -> the `table.column` that its foreign key points to."""
    promises: tuple[Promise, ...]
    quarantine_max_percent: float
    digest: str
    quarantine_min_rows: int = 1
    """Bad rows below which a week is published, whatever their share: a quiet week has few rows."""

    @property
    def label(self) -> str:
        """Id and version, as quarantined rows and messages carry it."""
        return f"{self.id}:{self.version}"

    @property
    def unique_key(self) -> tuple[str, ...]:
        """The columns that occur once within a week: the natural key, and in a change log the instant too."""
        return self.key if self.kind == "fact" or KNOWN_AT in self.key else (*self.key, KNOWN_AT)

    def is_too_bad(self, bad: int, rows: int) -> bool:
        """Whether so many bad rows of a week keep it from being published."""
        return bad >= self.quarantine_min_rows and bad * 100 > self.quarantine_max_percent * rows

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError."""
        return {column.name: column for column in self.columns}[name]

    def rule(self, rule_id: str) -> Rule:
        """The rule of that id; raises KeyError."""
        return {rule.id: rule for rule in self.rules}[rule_id]

    @property
    def others(self) -> tuple[str, ...]:
        """The tables that its rules are held against, sorted."""
        return tuple(sorted({rule.other for rule in self.rules if rule.other and rule.other != self.name}))
