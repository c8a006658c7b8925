"""The rules of a whole table: row count, freshness, and the named rules that a contract spells out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from coupon_pipeline.contracts.contract import Contract, ContractError, Rule

ROW_COUNT = "expect_table_row_count_to_be_between"
FRESHNESS = "expect_column_max_to_be_between"
PAIR = "expect_column_pair_values_a_to_be_greater_than_b"
WEIGHTED_SUM = "expect_multicolumn_weighted_sum_to_be_at_least"
CUSTOM = {
    PAIR: {"column_A", "column_B", "or_equal"},
    WEIGHTED_SUM: {"column_list", "weights", "min_value"},
}
"""Expectation that a contract may name -> the kwargs that it must give; a null in any column leaves the row alone."""
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}
DOCUMENTED = ("frequency", "retention")
QUALITY = {"name", "type", "description", "dimension", "severity", "metric", "engine", "implementation"}


def freshness_rule(item: Mapping[str, Any], contract: Contract, file: str) -> Iterator[Rule]:
    """The rule of a freshness promise; other promises that are known document only; raises ContractError."""
    if item["property"] in DOCUMENTED:
        return
    table, _, column = str(item.get("element", "")).partition(".")
    unit = UNITS.get(item.get("unit", ""))
    instants = [column.name for column in contract.columns if column.physical_type == "TIMESTAMP"]
    if item["property"] != "freshness" or unit is None or table != contract.name or column not in instants:
        raise ContractError(
            f"{file}: slaProperties has {dict(item)}: give freshness with a unit ({', '.join(UNITS)}) and the element "
            f"{contract.name}.<one of {', '.join(instants)}>, or one of {', '.join(DOCUMENTED)}"
        )
    yield Rule(
        f"{column}.fresh",
        "table",
        "timeliness",
        "error",
        f"the latest {column} must lie within {item['value']} {item['unit']} before the end of the week",
        (column,),
        FRESHNESS,
        MappingProxyType({"column": column, "max_age": float(item["value"]) * unit}),
    )


def quality_rule(item: Mapping[str, Any], file: str) -> Rule:
    """A named rule under `quality`; raises ContractError for a type, metric or expectation that has no meaning here."""
    name = item.get("name")
    if not name or "dimension" not in item or item.get("severity") not in ("error", "warning"):
        raise ContractError(f"{file}: rule {name!r} must have a name, a dimension and severity error or warning")
    unknown = sorted(key for key in item if key not in QUALITY and not key.startswith("must"))
    if unknown:
        raise ContractError(f"{file}: rule {name} has {', '.join(unknown)}, which has no meaning here: remove it")
    if item.get("type", "library") == "library" and item.get("metric") == "rowCount":
        return _row_count(item, file)
    if item.get("type") == "custom" and item["engine"] == "great-expectations":
        return _custom(item, file)
    raise ContractError(
        f"{file}: rule {name} is of a kind without a meaning here (type {item.get('type', 'library')}, metric "
        f"{item.get('metric')}): use the metric rowCount, or type custom with engine great-expectations"
    )


def _row_count(item: Mapping[str, Any], file: str) -> Rule:
    low, high = _bounds(item, file)
    span = f"at least {low}" if high is None else f"at most {high}" if low is None else f"from {low} to {high}"
    return Rule(
        item["name"],
        "table",
        item["dimension"],
        item["severity"],
        f"the week must have {span} rows",
        (),
        ROW_COUNT,
        MappingProxyType({"min_value": low, "max_value": high}),
    )


def _bounds(item: Mapping[str, Any], file: str) -> tuple[int | None, int | None]:
    """Inclusive bounds of a count, from whichever operator the rule gives."""
    operator, value = next((key, value) for key, value in item.items() if key.startswith("must"))
    values = value if isinstance(value, list) else [value]
    if not all(isinstance(bound, int) and not isinstance(bound, bool) for bound in values):
        raise ContractError(f"{file}: rule {item['name']} has {operator} {value!r}: a row count is a whole number")
    bounds = {
        "mustBe": (values[0], values[0]),
        "mustBeGreaterThan": (values[0] + 1, None),
        "mustBeGreaterOrEqualTo": (values[0], None),
        "mustBeLessThan": (None, values[0] - 1),
        "mustBeLessOrEqualTo": (None, values[0]),
        "mustBeBetween": (values[0], values[-1]),
    }
    if operator not in bounds:
        raise ContractError(
            f"{file}: rule {item['name']} has {operator}, which has no rule: use one of {', '.join(bounds)}"
        )
    return bounds[operator]


def _custom(item: Mapping[str, Any], file: str) -> Rule:
    implementation = item["implementation"]
    kind = implementation.get("type") if isinstance(implementation, dict) else None
    if kind not in CUSTOM:
        raise ContractError(f"{file}: rule {item['name']} names {kind!r}: use one of {', '.join(CUSTOM)}")
    kwargs = implementation.get("kwargs", {})
    if set(implementation) != {"type", "kwargs"} or set(kwargs) != CUSTOM[kind]:
        raise ContractError(
            f"{file}: rule {item['name']} must give kwargs {', '.join(sorted(CUSTOM[kind]))} and no others"
        )
    if not item.get("description"):
        raise ContractError(f"{file}: rule {item['name']} has no description: say what a row must hold")
    if kind == PAIR:
        columns, ignore = (kwargs["column_A"], kwargs["column_B"]), "either_value_is_missing"
    else:
        columns, ignore = tuple(kwargs["column_list"]), "any_value_is_missing"
        if len(columns) != len(kwargs["weights"]):
            raise ContractError(f"{file}: rule {item['name']} must give one weight per column")
    return Rule(
        item["name"],
        "row",
        item["dimension"],
        item["severity"],
        item["description"],
        columns,
        kind,
        MappingProxyType({**kwargs, "ignore_row_if": ignore}),
    )
