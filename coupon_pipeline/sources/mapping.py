"""Brings the system's columns into those of a contract."""

from __future__ import annotations

from collections.abc import Mapping
from zoneinfo import ZoneInfo

import pyarrow as pa

from coupon_pipeline.contracts.contract import KNOWN_AT, Contract
from coupon_pipeline.contracts.contract import Column as ContractColumn
from coupon_pipeline.sources.columns import Column
from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.identifiers import Identifiers
from coupon_pipeline.sources.rows import Rows
from coupon_pipeline.sources.values import (
    to_iso,
    to_minor,
    to_text,
    translated,
    with_point,
)

NUMBERS = ("BIGINT", "INTEGER", "DOUBLE")


def mapped(rows: Rows, contract: Contract, table: TableConfig, local: ZoneInfo, identifiers: Identifiers) -> pa.Table:
    """The contract's columns in their order; those that the system does not have are null."""
    columns = {}
    for column in contract.columns:
        if column.name == KNOWN_AT:
            cells = rows.known_at
            if table.known_at.time == "local":
                cells = to_iso(to_text(cells), day_only=False, written=None, local=local)
        else:
            cells = _cells(rows.cells, column, table.columns, table.decimal == "comma", local, identifiers)
        columns[column.name] = cells
    return pa.table(columns)


def _cells(
    rows: pa.Table,
    column: ContractColumn,
    columns: Mapping[str, Column],
    decimal_comma: bool,
    local: ZoneInfo,
    identifiers: Identifiers,
) -> pa.ChunkedArray:
    if column.name not in columns:
        return pa.chunked_array([pa.nulls(rows.num_rows)])
    spec = columns[column.name]
    if spec.column is None:
        return pa.chunked_array([pa.repeat(spec.constant, rows.num_rows)])
    cells = rows[spec.column]
    if spec.values:
        cells = translated(to_text(cells), spec.values)
    if spec.id is not None:
        return identifiers.numbers(spec.id, to_text(cells))
    if decimal_comma and column.physical_type in NUMBERS:
        cells = with_point(to_text(cells))
    if spec.money == "major":
        cells = to_minor(to_text(cells))
    if spec.format is not None or spec.time == "local":
        is_local = local if spec.time == "local" else None
        cells = to_iso(to_text(cells), column.physical_type == "DATE", spec.format, is_local)
    return cells
