"""Turns an ODCS document into a Contract, and refuses whatever it has no meaning for: a rule never vanishes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from coupon_pipeline.contracts.compiling.arguments import is_number
from coupon_pipeline.contracts.compiling.builtin_rules import (
    COLUMN_RULES,
    key_rules,
)
from coupon_pipeline.contracts.compiling.column_rules import column_rules
from coupon_pipeline.contracts.compiling.named_rules import named_rule
from coupon_pipeline.contracts.compiling.promise_rules import promise_rules
from coupon_pipeline.contracts.compiling.wording import given, only
from coupon_pipeline.contracts.contract import (
    Column,
    Contract,
    ContractError,
    Promise,
    Rule,
)
from coupon_pipeline.documents import Located

PHYSICAL_TYPES = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "DOUBLE": "number",
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp",
}
"""Physical type -> the logical type that a contract must give with it."""

TOP = "apiVersion kind id name version status domain description tags schema team slaProperties customProperties"
DESCRIPTION = "purpose limitations usage"
TABLE = "name physicalType description dataGranularityDescription tags properties quality"
PROPERTY = (
    "name description businessName tags logicalType physicalType required primaryKey primaryKeyPosition unique "
    "partitioned partitionKeyPosition classification logicalTypeOptions enum relationships examples customProperties"
)
COLUMN_CUSTOM = "unit businessImpact warnOnly"
CUSTOM = ("tableKind", "mandatory", "quarantineMaxPercent", "quarantineMinRows")


def compile_contract(document: Located, digest: str) -> Contract:
    """The contract that a schema-valid document describes; raises ContractError naming file, line and rule."""
    only(document, TOP, "contract")
    if len(document.get("schema", [])) != 1:
        raise ContractError(f"{document.at('schema')}: give exactly one table under schema")
    table = document["schema"][0]
    only(table, TABLE, table["name"])
    settings = _settings(document)
    description = document.get("description") or Located(document.file, document.line)
    only(description, DESCRIPTION, "description")
    contract = Contract(
        name=table["name"],
        id=document["id"],
        title=document.get("name", table["name"]),
        version=document["version"],
        domain=document.get("domain", ""),
        description=description.get("purpose", ""),
        limitations=description.get("limitations", ""),
        granularity=table.get("dataGranularityDescription", ""),
        owner=_owner(document),
        kind=settings["tableKind"],
        mandatory=settings["mandatory"],
        columns=tuple(_column(item) for item in table.get("properties", [])),
        key=_key(table),
        rules=(),
        references=MappingProxyType({}),
        promises=tuple(_promise(item) for item in document.get("slaProperties", [])),
        quarantine_max_percent=float(settings["quarantineMaxPercent"]),
        digest=digest,
        quarantine_min_rows=settings.get("quarantineMinRows", 1),
    )
    return _with_rules(contract, document)


def _with_rules(contract: Contract, document: Located) -> Contract:
    rules = tuple(_rules(contract, document))
    ids = [rule.id for rule in rules]
    columns = {column.name for column in contract.columns}
    for rule in rules:
        at = f"{document.file}:{rule.line}"
        if ids.count(rule.id) > 1:
            raise ContractError(f"{at}: two rules are called {rule.id}: rename one")
        unknown = [column for column in rule.columns if column not in columns]
        if unknown:
            raise ContractError(f"{at}: rule {rule.id} reads {', '.join(unknown)}, which is no column of the table")
    references = {rule.columns[0]: rule.reference for rule in rules if rule.id.endswith(".exists_in")}
    return replace(contract, rules=rules, references=MappingProxyType(references))


def _rules(contract: Contract, document: Located) -> Iterator[Rule]:
    table = document["schema"][0]
    yield from COLUMN_RULES
    for item, column in zip(table["properties"], contract.columns, strict=True):
        yield from column_rules(item, column)
    yield from key_rules(contract)
    for item in document.get("slaProperties", []):
        yield from promise_rules(item, contract)
    for item in table.get("quality", []):
        yield named_rule(item)


def _column(item: Located) -> Column:
    name = item["name"]
    only(item, PROPERTY, name)
    physical = item.get("physicalType")
    if physical not in PHYSICAL_TYPES:
        raise ContractError(
            f"{item.at('physicalType')}: {name} has physicalType {physical!r}: use one of {', '.join(PHYSICAL_TYPES)}"
        )
    if item.get("logicalType") != PHYSICAL_TYPES[physical]:
        raise ContractError(
            f"{item.at('logicalType')}: {name} is {physical}: give it logicalType {PHYSICAL_TYPES[physical]}"
        )
    custom = given(item, COLUMN_CUSTOM, name)
    for what, text in (("description", item.get("description")), ("unit", custom.get("unit"))):
        if not text:
            raise ContractError(f"{item.at(what)}: {name} has no {what}: say what it means and in which unit it counts")
    return Column(
        name=name,
        physical_type=physical,
        required=item.get("required", False),
        description=item["description"],
        unit=custom["unit"],
        classification=item.get("classification"),
        enum=tuple(value["value"] for value in item.get("enum", [])),
        examples=tuple(item.get("examples", [])),
        impact=custom.get("businessImpact", ""),
    )


def _key(table: Located) -> tuple[str, ...]:
    parts = [item for item in table.get("properties", []) if item.get("primaryKey")]
    positions = [item.get("primaryKeyPosition") for item in parts]
    if not parts or sorted(map(str, positions)) != sorted(str(n + 1) for n in range(len(parts))):
        at = parts[-1].at("primaryKeyPosition") if parts else table.at("properties")
        raise ContractError(f"{at}: the primaryKeyPosition of the key columns must count from 1, found {positions}")
    return tuple(item["name"] for item in sorted(parts, key=lambda item: item["primaryKeyPosition"]))


def _promise(item: Located) -> Promise:
    only(item, "property value unit element description", item["property"])
    return Promise(item["property"], str(item["value"]), item.get("unit", ""), item.get("element", ""))


def _owner(document: Located) -> str:
    members = document.get("team", {}).get("members", [])
    owners = [member["username"] for member in members if member.get("role") == "owner"]
    if len(owners) != 1:
        raise ContractError(
            f"{document.at('team')}: name exactly one member of the team with role owner, found {len(owners)}"
        )
    return owners[0]


def _settings(document: Located) -> dict[str, Any]:
    found = given(document, " ".join(CUSTOM), "contract")
    allowed = {
        "tableKind": found.get("tableKind") in ("fact", "change_log"),
        "mandatory": isinstance(found.get("mandatory"), bool),
        "quarantineMaxPercent": _is_percent(found.get("quarantineMaxPercent")),
        "quarantineMinRows": _is_count(found.get("quarantineMinRows", 1)),
    }
    wrong = [name for name in CUSTOM if not allowed[name]]
    if wrong:
        raise ContractError(
            f"{document.at('customProperties')}: custom property {wrong[0]} is {found.get(wrong[0])!r}: give tableKind "
            "fact or change_log, mandatory true or false, quarantineMaxPercent a number from 0 to 100, and "
            "quarantineMinRows, if any, a whole number from 1"
        )
    return found


def _is_count(value: object) -> bool:
    return isinstance(value, int) and is_number(value) and value >= 1


def _is_percent(value: object) -> bool:
    return isinstance(value, int | float) and is_number(value) and 0 <= value <= 100
