"""Columns of a source's YAML file: what each is made from, and when a row was known."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from coupon_pipeline.sources.systems import Strict


class KnownAt(Strict):
    """Where the instant comes from at which a row could first be known."""

    path: str | None = None
    """Regular expression for the path of a file, with a group `day`: known at the end of that store-local day."""
    column: str | None = None
    """Column of the system with the instant."""
    time: Literal["utc", "local"] = "utc"
    """Whose time the column tells where it names no offset."""
    arrival: bool = False
    """The system tells nothing: known at the end of the week in which it was asked."""

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if sum([self.path is not None, self.column is not None, self.arrival]) != 1:
            raise ValueError("give one of path, column and arrival: true")
        if self.path is not None and "day" not in compiled(self.path).groupindex:
            raise ValueError("the path needs a group for the day: (?P<day>[0-9]{4}-[0-9]{2}-[0-9]{2})")
        return self


class Column(Strict):
    """A column of the contract, made from one of the system."""

    column: str | None = None
    constant: str | None = None
    """The same text in every row, where the system has no such column."""
    optional: bool = False
    """Whether the system may leave the column out; it is then null."""
    id: str | None = Field(default=None, pattern=r"^[a-z][a-z_]*$")
    """What a text id names, such as `household`: the same text becomes the same number in all tables."""
    money: Literal["minor", "major"] = "minor"
    """`major`: amounts such as 12.34, which become 1234."""
    time: Literal["utc", "local"] = "utc"
    """`local`: instants without an offset are on the stores' clocks."""
    format: str | None = None
    """How a day or an instant is written, as for strptime; unset: ISO 8601."""
    values: Mapping[str, str] = Field(default_factory=dict)
    """The system's word -> the contract's; other words stay as they are."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, given: Any) -> Any:
        return {"column": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _has_one_origin(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("give one of column and constant")
        return self


def compiled(expression: str) -> re.Pattern[str]:
    """A regular expression; raises ValueError in words."""
    try:
        return re.compile(expression)
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from error
