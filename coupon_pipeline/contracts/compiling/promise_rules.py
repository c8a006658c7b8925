"""The rules that service levels imply: how fresh the newest row of a week is, and how late a row comes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from types import MappingProxyType

from coupon_pipeline.contracts.compiling.arguments import is_number
from coupon_pipeline.contracts.compiling.column_rules import BETWEEN
from coupon_pipeline.contracts.contract import KNOWN_AT, Contract, ContractError, Rule
from coupon_pipeline.documents import Located

FRESHNESS = "expect_column_max_to_be_between"
LATENCY = "{}@latency"
"""Helper column: hours from an event until we could know of it."""
UNITS = {"d": timedelta(days=1), "h": timedelta(hours=1)}
DOCUMENTED = ("frequency", "retention")


def promise_rules(item: Located, contract: Contract) -> Iterator[Rule]:
    """The rule of a promise of freshness or latency; those of frequency and retention only document."""
    if item["property"] in DOCUMENTED:
        return
    table, _, column = str(item.get("element", "")).partition(".")
    unit = UNITS.get(item.get("unit", ""))
    instants = [column.name for column in contract.columns if column.physical_type == "TIMESTAMP"]
    known = item["property"] in ("freshness", "latency") and is_number(item["value"]) and item["value"] > 0
    if not known or unit is None or table != contract.name or column not in instants:
        raise ContractError(
            f"{item.at()}: slaProperties has {dict(item)}: give freshness or latency with a number above 0, a unit "
            f"({', '.join(UNITS)}) and the element {contract.name}.<one of {', '.join(instants)}>, or one of "
            f"{', '.join(DOCUMENTED)}"
        )
    make = _fresh if item["property"] == "freshness" else _in_time
    yield make(column, f"{item['value']} {item['unit']}", float(item["value"]) * unit, item.line)


def _fresh(column: str, words: str, most: timedelta, line: int) -> Rule:
    return Rule(
        f"{column}.fresh",
        "table",
        "timeliness",
        "error",
        f"the latest {column} must lie within {words} before the end of the week",
        "block",
        (column,),
        FRESHNESS,
        MappingProxyType({"column": column, "max_age": most}),
        impact="Decisions on old facts offer what a household has bought in the meantime.",
        line=line,
    )


def _in_time(column: str, words: str, most: timedelta, line: int) -> Rule:
    return Rule(
        f"{column}.latency",
        "row",
        "timeliness",
        "warning",
        f"{column} should become known within {words}",
        "warn",
        (column, KNOWN_AT),
        BETWEEN,
        MappingProxyType({"column": LATENCY.format(column), "max_value": most / timedelta(hours=1)}),
        impact="A fact that comes late was missing in the decisions until then.",
        line=line,
    )
