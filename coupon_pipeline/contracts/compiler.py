"""Turns an ODCS document into a Contract, and refuses whatever it has no meaning for: a rule never vanishes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from coupon_pipeline.contracts.column_rules import UNIQUE, column_rules
from coupon_pipeline.contracts.contract import Column, Contract, ContractError, Rule
from coupon_pipeline.contracts.table_rules import freshness_rule, quality_rule

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
TABLE = "name physicalType description dataGranularityDescription tags properties quality"
PROPERTY = (
    "name description businessName tags logicalType physicalType required primaryKey primaryKeyPosition unique "
    "partitioned partitionKeyPosition classification logicalTypeOptions enum relationships"
)
CUSTOM = ("tableKind", "mandatory", "quarantineMaxPercent")


def compile_contract(document: Mapping[str, Any], file: str, digest: str) -> Contract:
    """The contract that a schema-valid document describes; raises ContractError naming file and rule."""
    _only(document, TOP, file, "contract")
    if len(document.get("schema", [])) != 1:
        raise ContractError(f"{file}: give exactly one table under schema")
    table = document["schema"][0]
    _only(table, TABLE, file, table["name"])
    properties = table.get("properties", [])
    columns = tuple(_column(item, file) for item in properties)
    settings = _settings(document, file)
    contract = Contract(
        name=table["name"],
        id=document["id"],
        version=document["version"],
        description=document.get("description", {}).get("purpose", ""),
        owner=_owner(document, file),
        kind=settings["tableKind"],
        mandatory=settings["mandatory"],
        columns=columns,
        key=_key(properties, file),
        rules=(),
        references=MappingProxyType({}),
        quarantine_max_percent=float(settings["quarantineMaxPercent"]),
        digest=digest,
    )
    return _with_rules(contract, document, file)


def _with_rules(contract: Contract, document: Mapping[str, Any], file: str) -> Contract:
    rules = tuple(_rules(contract, document, file))
    ids = [rule.id for rule in rules]
    repeated = sorted({rule_id for rule_id in ids if ids.count(rule_id) > 1})
    if repeated:
        raise ContractError(f"{file}: two rules are called {', '.join(repeated)}: rename one")
    named = {column.name for column in contract.columns}
    for rule in rules:
        unknown = [column for column in rule.columns if column not in named]
        if unknown:
            raise ContractError(f"{file}: rule {rule.id} reads {', '.join(unknown)}, which is no column of the table")
    references = {rule.columns[0]: rule.reference for rule in rules if rule.reference}
    return replace(contract, rules=rules, references=MappingProxyType(references))


def _rules(contract: Contract, document: Mapping[str, Any], file: str) -> Iterator[Rule]:
    table = document["schema"][0]
    yield Rule("columns.present", "table", "conformity", "error", "every column of the contract must be delivered")
    yield Rule("extra.columns", "table", "conformity", "warning", "a column that the contract lacks is left out")
    for item, column in zip(table["properties"], contract.columns, strict=True):
        yield from column_rules(item, column, file)
    key = contract.unique_key
    yield Rule(
        "row.duplicate", "row", "uniqueness", "error", "an exact copy of an earlier row of the week", contract.key
    )
    yield Rule(
        "key.unique",
        "row",
        "uniqueness",
        "error",
        f"the key {', '.join(key)} must occur once in a week",
        key,
        UNIQUE,
        MappingProxyType({"column_list": key}),
    )
    for item in document.get("slaProperties", []):
        yield from freshness_rule(item, contract, file)
    for item in table.get("quality", []):
        yield quality_rule(item, file)


def _column(item: Mapping[str, Any], file: str) -> Column:
    name = item["name"]
    _only(item, PROPERTY, file, name)
    physical = item.get("physicalType")
    if physical not in PHYSICAL_TYPES:
        raise ContractError(f"{file}: {name} has physicalType {physical!r}: use one of {', '.join(PHYSICAL_TYPES)}")
    if item.get("logicalType") != PHYSICAL_TYPES[physical]:
        raise ContractError(f"{file}: {name} is {physical}: give it logicalType {PHYSICAL_TYPES[physical]}")
    if not item.get("description"):
        raise ContractError(f"{file}: {name} has no description: say what it means, with its unit")
    return Column(
        name=name,
        physical_type=physical,
        required=item.get("required", False),
        description=item["description"],
        classification=item.get("classification"),
        enum=tuple(value["value"] for value in item.get("enum", [])),
    )


def _key(properties: list[Mapping[str, Any]], file: str) -> tuple[str, ...]:
    parts = [item for item in properties if item.get("primaryKey")]
    positions = [item.get("primaryKeyPosition") for item in parts]
    if not parts or sorted(map(str, positions)) != sorted(str(n + 1) for n in range(len(parts))):
        raise ContractError(f"{file}: the primaryKeyPosition of the key columns must count from 1, found {positions}")
    return tuple(item["name"] for item in sorted(parts, key=lambda item: item["primaryKeyPosition"]))


def _owner(document: Mapping[str, Any], file: str) -> str:
    owners = [
        member["username"] for member in document.get("team", {}).get("members", []) if member.get("role") == "owner"
    ]
    if len(owners) != 1:
        raise ContractError(f"{file}: name exactly one member of the team with role owner, found {len(owners)}")
    return owners[0]


def _settings(document: Mapping[str, Any], file: str) -> dict[str, Any]:
    found = {item["property"]: item["value"] for item in document.get("customProperties", [])}
    _only(found, " ".join(CUSTOM), file, "customProperties")
    allowed = {
        "tableKind": found.get("tableKind") in ("fact", "change_log"),
        "mandatory": isinstance(found.get("mandatory"), bool),
        "quarantineMaxPercent": _is_percent(found.get("quarantineMaxPercent")),
    }
    wrong = [name for name in CUSTOM if not allowed[name]]
    if wrong:
        raise ContractError(
            f"{file}: custom property {wrong[0]} is {found.get(wrong[0])!r}: give tableKind fact or change_log, "
            "mandatory true or false, quarantineMaxPercent a number from 0 to 100"
        )
    return found


def _is_percent(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 100


def _only(item: Mapping[str, Any], known: str, file: str, where: str) -> None:
    unknown = sorted(set(item) - set(known.split()))
    if unknown:
        raise ContractError(f"{file}: {where} has {', '.join(unknown)}, which this pipeline has no rule for: remove it")
