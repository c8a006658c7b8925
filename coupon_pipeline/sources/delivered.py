"""Tables of a source's YAML file: where their rows come from, and how they are delivered."""

from __future__ import annotations

import codecs
import re
from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from coupon_pipeline.sources.columns import Column, KnownAt, compiled
from coupon_pipeline.sources.systems import Strict

OWN_KEYS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "files": frozenset({"files", "format", "delimiter", "encoding", "last_line", "required_days"}),
        "sql": frozenset({"table", "query", "order_by"}),
        "rest": frozenset({"endpoint", "params", "order_by"}),
    }
)
"""Kind of system -> keys that its tables alone may have."""


class TableConfig(Strict):
    """One table of the contracts, as a system delivers it."""

    system: str
    known_at: KnownAt
    delivery: Literal["changes", "full"] = "changes"
    columns: Mapping[str, Column]
    decimal: Literal["point", "comma"] = "point"

    files: str | None = None
    format: Literal["csv", "jsonl"] = "csv"
    delimiter: str = Field(default=",", min_length=1, max_length=1)
    encoding: str = "utf-8"
    last_line: Literal["ended", "open"] = "ended"
    """`open`: the last line of a good file may lack its line end, so that a file cut within it is not noticed."""
    required_days: bool = False

    table: str | None = None
    query: str | None = None
    order_by: tuple[str, ...] = ()
    """Columns that tell which of two rows known at the same instant came later."""

    endpoint: str | None = None
    params: Mapping[str, str] = Field(default_factory=dict)

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str) -> str:
        try:
            codecs.lookup(name)
        except LookupError as error:
            raise ValueError("no such encoding: try utf-8, cp1252 or latin-1") from error
        return name

    @field_validator("files")
    @classmethod
    def _is_an_expression(cls, files: str | None) -> str | None:
        return files if files is None else compiled(files).pattern

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.known_at.arrival and self.delivery != "full":
            raise ValueError("known_at: arrival needs delivery: full, or every week would bring all rows again")
        if self.known_at.column and self.delivery == "full":
            raise ValueError("delivery: full is for dumps without dates: with a known_at column say delivery: changes")
        if "known_at" in self.columns:
            raise ValueError("columns.known_at: say where it comes from under known_at")
        return self

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What the paths of the table's files look like."""
        return re.compile(self.known_at.path or self.files or "")

    @cached_property
    def wanted(self) -> tuple[str, ...]:
        """The system's columns that are read, sorted."""
        mapped = [column.column for column in self.columns.values() if column.column is not None]
        return tuple(sorted({*mapped, *self.order_by, *([self.known_at.column] if self.known_at.column else [])}))

    @cached_property
    def optional(self) -> frozenset[str]:
        """The system's columns that may be missing."""
        return frozenset(column.column for column in self.columns.values() if column.optional and column.column)

    def problem(self, kind: str) -> str | None:
        """What a table of a system of that kind cannot have, or lacks."""
        others = frozenset().union(*OWN_KEYS.values()) - OWN_KEYS[kind]
        foreign = sorted(self.model_fields_set & others)
        if foreign:
            return f"{foreign[0]}: tables of a {kind} system have no such key: remove it"
        if kind != "files" and self.known_at.path:
            return "known_at.path: only files have one: give a column, or arrival: true"
        if kind == "files" and (self.files is None) == (self.known_at.path is None):
            return "files: give the expression for the paths once, here or as known_at.path"
        if kind == "sql" and (self.table is None) == (self.query is None):
            return "give one of table and query"
        if kind == "rest" and self.endpoint is None:
            return "endpoint: give the path of the list"
        if self.required_days and not self.known_at.path:
            return "required_days: only known_at.path tells the day of a file"
        return None
