"""Casts delivered columns to a contract's types without losing anything, and back to text for the quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts.arrow import TYPES, schema
from coupon_pipeline.contracts.contract import Contract

TIME = r"[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?"
OFFSET = r"[+-][0-9]{2}(:?[0-9]{2})?"
DAY = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
FROM_TEXT = {
    "BIGINT": r"case when regexp_full_match(trim({x}), '[+-]?[0-9]+([.]0*)?') then try_cast({x} as BIGINT) end",
    "INTEGER": r"case when regexp_full_match(trim({x}), '[+-]?[0-9]+([.]0*)?') then try_cast({x} as INTEGER) end",
    "DOUBLE": "try_cast({x} as DOUBLE)",
    "BOOLEAN": "try_cast({x} as BOOLEAN)",
    "DATE": (
        f"case when regexp_full_match(trim({{x}}), '{DAY}([ T]00:00(:00([.]0*)?)?)?') then try_cast({{x}} as DATE) end"
    ),
    "TIMESTAMP": (
        f"case when regexp_full_match(trim({{x}}), '{DAY}([ T]{TIME})?Z?') then try_cast({{x}} as TIMESTAMP) "
        f"when regexp_full_match(trim({{x}}), '{DAY}[ T]{TIME}{OFFSET}') "
        "then make_timestamp(epoch_us(try_cast({x} as TIMESTAMPTZ))) end"
    ),
}
"""Physical type -> SQL that casts the text `{x}`, or gives null: DuckDB alone rounds 1.5 and drops a zone's offset."""
FROM_TYPED = {
    "BIGINT": "case when try_cast({x} as BIGINT) = {x} then try_cast({x} as BIGINT) end",
    "INTEGER": "case when try_cast({x} as INTEGER) = {x} then try_cast({x} as INTEGER) end",
    "DOUBLE": "try_cast({x} as DOUBLE)",
    "BOOLEAN": "case when try_cast({x} as DOUBLE) in (0, 1) then try_cast({x} as BOOLEAN) end",
    "DATE": "case when try_cast({x} as DATE) = try_cast({x} as TIMESTAMP) then try_cast({x} as DATE) end",
    "TIMESTAMP": "try_cast({x} as TIMESTAMP)",
    "VARCHAR": "try_cast({x} as VARCHAR)",
}
"""Physical type -> SQL that casts a typed `{x}`, or gives null where the value would change."""


def castable(found: pa.DataType, physical_type: str) -> bool:
    """Whether values of the physical type can be read from cells of an Arrow type at all."""
    found = found.value_type if pa.types.is_dictionary(found) else found
    if pa.types.is_null(found) or _is_text(found):
        return True
    if pa.types.is_timestamp(found) or pa.types.is_date(found):
        return physical_type in ("DATE", "TIMESTAMP", "VARCHAR")
    if pa.types.is_integer(found) or pa.types.is_floating(found) or pa.types.is_decimal(found):
        return physical_type in ("BIGINT", "INTEGER", "DOUBLE", "BOOLEAN", "VARCHAR")
    return pa.types.is_boolean(found) and physical_type in ("BOOLEAN", "VARCHAR")


def cast(contract: Contract, raw: pa.Table) -> tuple[pa.Table, dict[str, np.ndarray]]:
    """The contract's columns of `raw` in its types, and per column the rows (int64 positions) that lost a value.

    Naive instants are UTC; those with an offset or a time zone are converted.
    """
    # Nulls in required columns are for the rules to find, so no field forbids them until then.
    target = schema(contract)
    target = pa.schema([field.with_nullable(True) for field in target], target.metadata)
    if raw.num_rows == 0:
        return target.empty_table(), {}
    columns = {column.name: _plain(raw.column(column.name)) for column in contract.columns}
    expressions = {
        column.name: _expression(column.physical_type, columns[column.name].type)
        for column in contract.columns
        if columns[column.name].type not in (TYPES[column.physical_type], pa.null())
    }
    plain = {name: _digits(columns[name], TYPES[contract.column(name).physical_type]) for name in expressions}
    fast = {name: cells for name, cells in plain.items() if cells is not None}
    slow = {name: sql for name, sql in expressions.items() if name not in fast}
    done = {**columns, **fast, **_query(slow, columns)}
    table = pa.table([done[field.name].cast(field.type) for field in target], schema=target)
    lost = {name: _lost(columns[name], table.column(name)) for name in expressions}
    return table, {name: rows for name, rows in lost.items() if rows.size}


def as_text(raw: pa.Table) -> pa.Table:
    """The same cells as text, column by column; text stays as it came."""
    target = pa.schema([pa.field(name, pa.string()) for name in raw.column_names])
    if raw.num_rows == 0:
        return target.empty_table()
    found = {str(position): raw.column(position) for position in range(raw.num_columns)}
    plain = {name: _quick_text(_plain(cells), _has_zone(cells.type)) for name, cells in found.items()}
    expressions = {
        name: "cast({x} as VARCHAR)" + (" || '+00'" if _has_zone(found[name].type) else "")
        for name, cells in plain.items()
        if cells.type != pa.string()
    }
    done = {**plain, **_query(expressions, plain)}
    return pa.table([done[str(position)].cast(pa.string()) for position in range(raw.num_columns)], schema=target)


@cache
def engine() -> duckdb.DuckDBPyConnection:
    """One engine per process: opening one costs more than most queries here."""
    return duckdb.connect(config={"threads": 2})


def _quick_text(cells: pa.ChunkedArray, has_zone: bool) -> pa.ChunkedArray:
    """The cells as DuckDB would write them, where Arrow writes the same; else as they are."""
    if pa.types.is_integer(cells.type) or cells.type == pa.date32():
        return cells.cast(pa.string())
    if cells.type == pa.timestamp("us") and not has_zone:
        # Zeros at the end of a fraction are left out.
        for pattern in ("0+$", "[.]$"):
            options = pc.ReplaceSubstringOptions(pattern, "")
            cells = pc.call_function("replace_substring_regex", [cells.cast(pa.string())], options)
    return cells


def _digits(cells: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray | None:
    """Text of nothing but digits as integers, at a tenth of the general way's cost; None where there is other text."""
    if cells.type != pa.string() or not pa.types.is_integer(target):
        return None
    if not pc.call_function("all", [pc.call_function("ascii_is_decimal", [cells])]).as_py():
        return None
    try:
        return cells.cast(target)
    except pa.ArrowInvalid:  # too large
        return None


def _lost(before: pa.ChunkedArray, after: pa.ChunkedArray) -> np.ndarray:
    return np.flatnonzero(before.is_valid().to_numpy() & after.is_null().to_numpy())


def _expression(physical_type: str, found: pa.DataType) -> str:
    return (FROM_TEXT if found == pa.string() else FROM_TYPED)[physical_type]


def _plain(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """The same cells as ordinary text, or as naive UTC, where they are text or instants of another kind."""
    found = cells.type.value_type if pa.types.is_dictionary(cells.type) else cells.type
    if _is_text(found):
        found = pa.string()
    if _has_zone(found):
        # DuckDB would need its ICU extension, and use the machine's zone.
        found = pa.timestamp(found.unit)
    return cells if found == cells.type else cells.cast(found)


def _is_text(found: pa.DataType) -> bool:
    return pa.types.is_string(found) or pa.types.is_large_string(found) or pa.types.is_string_view(found)


def _has_zone(found: pa.DataType) -> bool:
    return pa.types.is_timestamp(found) and found.tz is not None


def _query(expressions: Mapping[str, str], columns: Mapping[str, pa.ChunkedArray]) -> dict[str, pa.ChunkedArray]:
    """The expressions over their columns; columns are passed by number, since DuckDB ignores the case of names."""
    if not expressions:
        return {}
    numbered = {name: f"c{number}" for number, name in enumerate(expressions)}
    selected = ", ".join(
        sql.replace("{x}", numbered[name]) + f" as {numbered[name]}" for name, sql in expressions.items()
    )
    with engine().cursor() as cursor:
        cursor.register("cells", pa.table({numbered[name]: columns[name] for name in expressions}))
        # One chunk per column: how DuckDB cuts its result must not reach a file.
        done = cursor.sql(f"select {selected} from cells").to_arrow_table().combine_chunks()
    return {name: done.column(number) for name, number in numbered.items()}
