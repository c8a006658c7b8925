"""The rules that an ODCS column implies: type, presence, range, pattern, length, allowed values, foreign key."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from coupon_pipeline.contracts.contract import Column, ContractError, Rule

RANGE = frozenset({"minimum", "maximum"})
LENGTH = frozenset({"minLength", "maxLength"})
BETWEEN = "expect_column_values_to_be_between"
UNIQUE = "expect_compound_columns_to_be_unique"
KNOWN_WEEKS = "{}@known_weeks"
"""Helper column: for how many weeks the key that a foreign key names has been known; negative where it is not."""
IN_WEEK = "{}@in_week"
"""Helper column: 1 where an instant lies in the row's own week, else 0."""


def column_rules(item: Mapping[str, Any], column: Column, file: str) -> Iterator[Rule]:
    """The rules of one column in the order they are reported; raises ContractError for an option without a rule."""
    name = column.name
    options = item.get("logicalTypeOptions", {})
    unknown = sorted(set(options) - RANGE - LENGTH - {"pattern"})
    if unknown:
        raise ContractError(f"{file}: {name} has logicalTypeOptions {', '.join(unknown)}, which has no rule: remove it")
    if column.physical_type != "VARCHAR":
        yield Rule(f"{name}.type", "row", "conformity", "error", f"{name} must be a {column.physical_type}", (name,))
    if column.required:
        yield _row(name, "required", "completeness", f"{name} must be present", "expect_column_values_to_not_be_null")
    yield from _option_rules(name, options, file)
    if column.enum:
        if column.physical_type != "VARCHAR" or not all(isinstance(value, str) for value in column.enum):
            raise ContractError(f"{file}: {name} has enum {column.enum}: give text in quotes, for a VARCHAR")
        reason = f"{name} must be one of {', '.join(column.enum)}"
        in_set = "expect_column_values_to_be_in_set"
        yield _row(name, "enum", "conformity", reason, in_set, value_set=column.enum)
    if item.get("unique"):
        reason = f"{name} must occur once in a week"
        yield _row(name, "unique", "uniqueness", reason, UNIQUE, column_list=(name,))
    for relationship in item.get("relationships", []):
        yield _foreign_key(name, relationship, file)
    if item.get("partitioned"):
        if column.physical_type != "TIMESTAMP":
            raise ContractError(f"{file}: {name} is partitioned: only a TIMESTAMP names a week")
        reason = f"{name} must lie in the week that it is filed under"
        yield _row(name, "in_week", "timeliness", reason, BETWEEN, column=IN_WEEK.format(name), min_value=1)


def _option_rules(name: str, options: Mapping[str, Any], file: str) -> Iterator[Rule]:
    if RANGE & set(options):
        low, high = options.get("minimum"), options.get("maximum")
        yield _row(
            name, "range", "conformity", f"{name} must be {_span(low, high)}", BETWEEN, min_value=low, max_value=high
        )
    if LENGTH & set(options):
        low, high = options.get("minLength"), options.get("maxLength")
        reason = f"{name} must have {_span(low, high)} characters"
        lengths = "expect_column_value_lengths_to_be_between"
        yield _row(name, "length", "conformity", reason, lengths, min_value=low, max_value=high)
    if "pattern" in options:
        try:
            re.compile(options["pattern"])
        except re.error as error:
            raise ContractError(f"{file}: rule {name}.pattern is no regular expression: {error}") from error
        reason = f"{name} must match {options['pattern']}"
        yield _row(
            name, "pattern", "conformity", reason, "expect_column_values_to_match_regex", regex=options["pattern"]
        )


def _foreign_key(name: str, relationship: Mapping[str, Any], file: str) -> Rule:
    target = relationship.get("to")
    if set(relationship) - {"type", "to"} or relationship.get("type", "foreignKey") != "foreignKey":
        raise ContractError(f"{file}: {name} has a relationship {dict(relationship)}: give type foreignKey and to")
    if not isinstance(target, str) or not re.fullmatch(r"\w+\.\w+", target):
        raise ContractError(f"{file}: {name} refers to {target!r}: give one table.column")
    return Rule(
        f"{name}.exists_in",
        "row",
        "consistency",
        "error",
        f"{name} must be a {target} known by that week",
        (name,),
        BETWEEN,
        MappingProxyType({"column": KNOWN_WEEKS.format(name), "min_value": 0}),
        target,
    )


def _row(name: str, suffix: str, dimension: str, reason: str, expectation: str, **kwargs: Any) -> Rule:
    arguments = {} if "column_list" in kwargs else {"column": name}
    given = {key: value for key, value in {**arguments, **kwargs}.items() if value is not None}
    return Rule(f"{name}.{suffix}", "row", dimension, "error", reason, (name,), expectation, MappingProxyType(given))


def _span(low: float | None, high: float | None) -> str:
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"from {low} to {high}"
