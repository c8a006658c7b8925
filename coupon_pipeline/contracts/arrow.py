"""The Arrow schema of a contract: types, nulls, and what each column means."""

from __future__ import annotations

import pyarrow as pa

from coupon_pipeline.contracts.contract import Column, Contract

TYPES = {
    "BIGINT": pa.int64(),
    "INTEGER": pa.int32(),
    "DOUBLE": pa.float64(),
    "VARCHAR": pa.string(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
}
"""Physical type -> Arrow type; instants are naive UTC."""


def schema(contract: Contract) -> pa.Schema:
    """The schema of clean rows: required columns are not nullable, fields carry meaning, unit and classification."""
    return pa.schema([_field(column) for column in contract.columns], metadata={"contract": contract.label})


def _field(column: Column) -> pa.Field:
    metadata = {"description": column.description, "unit": column.unit}
    if column.classification:
        metadata["classification"] = column.classification
    return pa.field(column.name, TYPES[column.physical_type], nullable=not column.required, metadata=metadata)
