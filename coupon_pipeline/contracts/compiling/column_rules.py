"""The rules that an ODCS column implies: type, presence, range, pattern, length, allowed values, foreign key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from coupon_pipeline.contracts.compiling.arguments import wrong_bounds
from coupon_pipeline.contracts.compiling.wording import given, only, span
from coupon_pipeline.contracts.contract import Column, ContractError, Rule
from coupon_pipeline.documents import Located

RANGE = frozenset({"minimum", "maximum"})
LENGTH = frozenset({"minLength", "maxLength"})
NUMBERS = frozenset({"BIGINT", "INTEGER", "DOUBLE"})
BETWEEN = "expect_column_values_to_be_between"
UNIQUE = "expect_compound_columns_to_be_unique"
KNOWN_WEEKS = "{}@known_weeks"
"""Helper column: for how many weeks the key that a foreign key names has been known; negative where it is not."""
IN_WEEK = "{}@in_week"
"""Helper column: 1 where an instant lies in the row's own week, else 0."""


def column_rules(item: Located, column: Column) -> Iterator[Rule]:
    """The rules of one column in the order they are reported; raises ContractError for an option without a rule."""
    found = list(_implied(item, column))
    told = given(item, "unit businessImpact warnOnly", column.name).get("warnOnly", [])
    suffixes = [rule.id.removeprefix(f"{column.name}.") for rule in found]
    if not isinstance(told, list) or not set(told) <= set(suffixes):
        raise ContractError(
            f"{item.at('customProperties')}: {column.name} has warnOnly {told!r}: give a list of its rules, "
            f"{', '.join(suffixes)}"
        )
    if found and not column.impact:
        raise ContractError(
            f"{item.at()}: {column.name} has rules and no businessImpact: say under customProperties what goes wrong "
            "where they are broken"
        )
    for rule, suffix in zip(found, suffixes, strict=True):
        rule = replace(rule, impact=column.impact, line=item.line)
        yield replace(rule, severity="warning", action="warn") if suffix in told else rule


def _implied(item: Located, column: Column) -> Iterator[Rule]:
    name = column.name
    options = item.get("logicalTypeOptions", Located(item.file, item.line))
    only(options, " ".join(RANGE | LENGTH | {"pattern"}), f"logicalTypeOptions of {name}")
    if column.physical_type != "VARCHAR":
        reason = f"{name} must be of type {column.physical_type}"
        yield Rule(f"{name}.type", "row", "conformity", "error", reason, "quarantine", (name,))
    if column.required:
        yield _row(name, "required", "completeness", f"{name} must be present", "expect_column_values_to_not_be_null")
    yield from _option_rules(column, options)
    if column.enum:
        if column.physical_type != "VARCHAR" or not all(isinstance(value, str) for value in column.enum):
            raise ContractError(f"{item.at('enum')}: {name} has enum {column.enum}: give text in quotes, for a VARCHAR")
        reason = f"{name} must be one of {', '.join(column.enum)}"
        in_set = "expect_column_values_to_be_in_set"
        yield _row(name, "enum", "conformity", reason, in_set, value_set=column.enum)
    if item.get("unique"):
        reason = f"{name} must occur once in a week"
        yield _row(name, "unique", "uniqueness", reason, UNIQUE, column_list=(name,))
    for relationship in item.get("relationships", []):
        yield _foreign_key(name, relationship)
    if item.get("partitioned"):
        if column.physical_type != "TIMESTAMP":
            raise ContractError(f"{item.at('partitioned')}: {name} is partitioned: only a TIMESTAMP names a week")
        reason = f"{name} must lie in the week that it is filed under"
        yield _row(name, "in_week", "timeliness", reason, BETWEEN, column=IN_WEEK.format(name), min_value=1)


def _option_rules(column: Column, options: Located) -> Iterator[Rule]:
    name = column.name
    for bounds in (("minimum", "maximum"), ("minLength", "maxLength")):
        problem = wrong_bounds(*(options.get(bound) for bound in bounds)) if set(bounds) & set(options) else None
        if problem:
            raise ContractError(f"{options.at()}: {name} {problem}")
    if RANGE & set(options):
        if column.physical_type not in NUMBERS:
            raise ContractError(f"{options.at()}: {name} is a {column.physical_type}: only numbers have a range")
        low, high = options.get("minimum"), options.get("maximum")
        reason = f"{name} must be {span(low, high)}"
        yield _row(name, "range", "conformity", reason, BETWEEN, min_value=low, max_value=high)
    if LENGTH & set(options):
        low, high = options.get("minLength"), options.get("maxLength")
        reason = f"the length of {name} must be {span(low, high)}"
        lengths = "expect_column_value_lengths_to_be_between"
        yield _row(name, "length", "conformity", reason, lengths, min_value=low, max_value=high)
    if "pattern" in options:
        pattern = options["pattern"]
        try:
            groups = re.compile(pattern).groups
        except re.error as error:
            raise ContractError(
                f"{options.at('pattern')}: rule {name}.pattern is no regular expression: {error}"
            ) from error
        if groups:
            raise ContractError(
                f"{options.at('pattern')}: rule {name}.pattern captures a group: write (?:...) for (...)"
            )
        reason = f"{name} must match {pattern}"
        yield _row(name, "pattern", "conformity", reason, "expect_column_values_to_match_regex", regex=pattern)


def _foreign_key(name: str, relationship: Located) -> Rule:
    target = relationship.get("to")
    if set(relationship) - {"type", "to"} or relationship.get("type", "foreignKey") != "foreignKey":
        raise ContractError(
            f"{relationship.at()}: {name} has a relationship {dict(relationship)}: give type foreignKey and to"
        )
    if not isinstance(target, str) or not re.fullmatch(r"\w+\.\w+", target):
        raise ContractError(f"{relationship.at('to')}: {name} refers to {target!r}: give one table.column")
    return Rule(
        f"{name}.exists_in",
        "row",
        "consistency",
        "error",
        f"{name} must be a {target} known by that week",
        "quarantine",
        (name,),
        BETWEEN,
        MappingProxyType({"column": KNOWN_WEEKS.format(name), "min_value": 0}),
        target,
    )


def _row(name: str, suffix: str, dimension: str, reason: str, expectation: str, **kwargs: Any) -> Rule:
    arguments = {} if "column_list" in kwargs else {"column": name}
    given = {key: value for key, value in {**arguments, **kwargs}.items() if value is not None}
    return Rule(
        f"{name}.{suffix}",
        "row",
        dimension,
        "error",
        reason,
        "quarantine",
        (name,),
        expectation,
        MappingProxyType(given),
    )
