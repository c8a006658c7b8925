"""Reads the YAML file of a source, strictly: a mistake is named with its file, key, value and remedy."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Self
from zoneinfo import ZoneInfo

import yaml
from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from coupon_pipeline.contracts import reader
from coupon_pipeline.contracts.contract import KNOWN_AT
from coupon_pipeline.documents import parse, problem_of
from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.source import Clock, EvaluationPlan, SourceError
from coupon_pipeline.sources.systems import AnySystem, Strict


class CalendarConfig(Strict):
    """The weeks that the source delivers; a `closed` file for each week after the last one adds that week."""

    timezone: str
    first: date
    last: date
    closed: str | None = None

    @field_validator("timezone")
    @classmethod
    def _is_a_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (OSError, ValueError, KeyError) as error:
            raise ValueError("no such time zone: give one such as Europe/Berlin") from error
        return name

    @field_validator("first", "last")
    @classmethod
    def _is_a_monday(cls, day: date) -> date:
        if day.weekday() != 0:
            raise ValueError("weeks start on Monday: give the date of one")
        return day

    @model_validator(mode="after")
    def _is_in_order(self) -> Self:
        if self.last < self.first:
            raise ValueError("last lies before first")
        if self.closed is not None and "{week}" not in self.closed:
            raise ValueError("closed needs {week} in its path")
        return self


class Evaluation(Strict):
    """The keys of EvaluationPlan."""

    test_campaign: int | None = None
    latest_campaigns: int = Field(default=0, ge=0)
    locked_from: date | None = None
    compared_on: tuple[str, ...] = EvaluationPlan.compared_on
    at_least: Mapping[str, float] = Field(default_factory=dict)
    fail_above: Mapping[str, float] = Field(default_factory=dict)
    explain_above: Mapping[str, float] = Field(default_factory=dict)


class AssignmentConfig(Strict):
    """The keys of Assignment."""

    salt: str = Field(min_length=1)
    holdout_percent: float = Field(ge=0, lt=100)
    every_cycles: PositiveInt = 1


class SourceConfig(Strict):
    """A whole file."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    clock: Clock = "system"
    calendar: CalendarConfig
    identity: str | None = None
    """File that names the world behind the systems: where it changes, every week is stale."""
    assumptions: Mapping[str, str] = Field(default_factory=dict)
    evaluation: Evaluation = Evaluation()
    assignment: AssignmentConfig | None = None
    systems: Mapping[str, AnySystem]
    tables: Mapping[str, TableConfig] = Field(min_length=1)

    @model_validator(mode="after")
    def _fits_the_contracts(self) -> Self:
        for name, table in self.tables.items():
            problem = self._problem(name, table)
            if problem is not None:
                raise ValueError(f"tables.{name}.{problem}")
        return self

    def _problem(self, name: str, table: TableConfig) -> str | None:
        if name not in reader.names():
            return f"columns: no contract is called {name}: use one of {', '.join(reader.names())}"
        if table.system not in self.systems:
            return f"system: no system is called {table.system!r}: use one of {', '.join(self.systems)}"
        columns = {column.name: column for column in reader.load(name).columns if column.name != KNOWN_AT}
        for column in table.columns:
            if column not in columns:
                return f"columns.{column}: the contract has no such column: use one of {', '.join(columns)}"
        for column in columns.values():
            if column.required and column.name not in table.columns:
                return f"columns.{column.name}: the contract requires it: map a column to it, or give a constant"
        return table.problem(self.systems[table.system].kind)


def load(path: Path) -> SourceConfig:
    """The source in a file; raises SourceError naming the file, the key, the value and what to do.

    Raises ContractError where a contract cannot be held: that is no mistake of the source.
    """
    for name in reader.names():
        reader.load(name)
    try:
        document = parse(path.read_bytes(), path.name)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        told = problem_of(error, str(path)) if isinstance(error, yaml.YAMLError) else f"{path} is not YAML: {error}"
        raise SourceError(" ".join(told.split())) from error
    try:
        return SourceConfig.model_validate(document)
    except ValidationError as error:
        raise SourceError(f"{path}, {_first_problem(error)}") from error


def _first_problem(error: ValidationError) -> str:
    found = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in found["loc"])
    message = found["msg"].removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        return f"{where}: unknown key: correct or remove it; docs/adapt.md explains the keys (it is {found['input']!r})"
    if found["type"] == "missing":
        return f"{where}: missing: add it; docs/adapt.md explains the keys"
    shown = "" if isinstance(found["input"], dict) else f" (it is {found['input']!r})"
    return f"{where}: {message}{shown}" if where else f"{message}{shown}"
