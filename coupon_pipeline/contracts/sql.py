"""A contract in the words of databases: the types of DuckDB and Ibis, and a CREATE TABLE statement."""

from __future__ import annotations

from typing import TYPE_CHECKING

from coupon_pipeline.contracts.contract import Column, Contract

if TYPE_CHECKING:
    import ibis

IBIS_TYPES = {
    "BIGINT": "int64",
    "INTEGER": "int32",
    "DOUBLE": "float64",
    "VARCHAR": "string",
    "BOOLEAN": "boolean",
    "DATE": "date",
    "TIMESTAMP": "timestamp(6)",
}
"""Physical type, which is DuckDB's own -> the type of Ibis; instants are naive UTC."""


def ddl(contract: Contract) -> str:
    """The statement that makes an empty table of clean rows in DuckDB: types, nulls, allowed values, key, meaning."""
    lines = [_line(column) for column in contract.columns]
    lines.append(f"    PRIMARY KEY ({', '.join(_name(column) for column in contract.unique_key)})")
    comments = [
        f"COMMENT ON COLUMN {contract.name}.{_name(column.name)} IS {_text(column.description)};"
        for column in contract.columns
    ]
    body = ",\n".join(lines)
    return "\n".join([f"CREATE TABLE {contract.name} (\n{body}\n);", *comments]) + "\n"


def ibis_schema(contract: Contract) -> ibis.Schema:
    """The columns of clean rows as Ibis knows them."""
    import ibis

    return ibis.schema(
        {
            column.name: f"{'!' if column.required else ''}{IBIS_TYPES[column.physical_type]}"
            for column in contract.columns
        }
    )


def _line(column: Column) -> str:
    required = " NOT NULL" if column.required else ""
    allowed = ", ".join(_text(value) for value in column.enum)
    check = f" CHECK ({_name(column.name)} IN ({allowed}))" if column.enum else ""
    return f"    {_name(column.name)} {column.physical_type}{required}{check}"


def _name(name: str) -> str:
    return f'"{name}"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
