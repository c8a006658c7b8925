"""What is left of a table without its erased households: sales that are nobody's, and no row about one of them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts.arrow import schema
from coupon_pipeline.contracts.contract import KNOWN_AT, MASK, Column, Contract
from coupon_pipeline.contracts.judging.casting import as_text, cast
from coupon_pipeline.contracts.lineage import METADATA, Lineage

HOUSEHOLD = "household_id"
"""The one column, in whatever table, that says whose a row is."""
ERASED_AT = "erased_at"
ORIGIN = "erasures"
"""Where the rows come from that say who is erased."""
ID = Column(HOUSEHOLD, "BIGINT", False, "The household.", "identifier")
SAYS_WHOSE = re.compile(rf"{HOUSEHOLD}([.]\d+)?")
"""Names of columns with a household: where a delivery repeats a column, the quarantine numbers it."""
NOBODY = -1
"""A number that no household has."""


@dataclass(frozen=True)
class Rule:
    """How a table lets go of a household, as its contract implies.

    Where a household must be named, `drops` its rows; else the cells of `blanks`, household and personal data, become
    null. A table of households `keeps_erasure`: one row says that and when it was erased.
    """

    contract: Contract
    drops: bool
    keeps_erasure: bool
    blanks: tuple[str, ...]

    @classmethod
    def of(cls, contract: Contract) -> Self:
        """The rule of a table."""
        columns = {column.name: column for column in contract.columns}
        drops = HOUSEHOLD in contract.key or (HOUSEHOLD in columns and columns[HOUSEHOLD].required)
        keeps = contract.key == (HOUSEHOLD,) and ERASED_AT in columns
        if keeps:
            stay = {HOUSEHOLD, ERASED_AT, KNOWN_AT}
            blanks = [name for name, column in columns.items() if name not in stay and not column.required]
        else:
            blanks = [] if drops else [name for name, column in columns.items() if column.personal]
        return cls(contract, drops, keeps, tuple(blanks))

    def erase(self, rows: pa.Table, households: np.ndarray, erasures: pa.Table | None = None) -> Erased:
        """The rows, delivered or typed, without `households` (int64).

        `erasures` are the rows that say who is erased, in the contract's columns: the last ones of a table that keeps
        them.
        """
        named = matches(self.contract, rows, households)
        added = erasures if self.keeps_erasure and erasures is not None and erasures.num_rows else None
        if not named.any() and added is None:
            return Erased(rows, ~named, 0)
        if not self.drops:
            return Erased(self._blanked(rows, named), np.ones(len(named), bool), int(named.sum()))
        left = rows.filter(pa.array(~named))
        lineage = Lineage.of(rows).kept(~named) if METADATA in (rows.schema.metadata or {}) else None
        if added is not None:
            left = _together(left, added)
            if lineage is not None:
                lineage = Lineage(((ORIGIN, None, added.num_rows),)).after(lineage)
        left = left.combine_chunks()
        if lineage is not None:
            left = lineage.attached(left)
        return Erased(rows if left.equals(rows) else left, ~named, int(named.sum()))

    def _blanked(self, rows: pa.Table, named: np.ndarray) -> pa.Table:
        """Beside personal cells, those of columns that no contract knows: nobody has said what they hold."""
        known = {column.name for column in self.contract.columns}
        gone = [n for n, name in enumerate(rows.column_names) if name in self.blanks or _is_stray(name, known)]
        if "_value" in rows.column_names:
            at = rows.column_names.index("_value")
            masked = _masked(rows, named, [rows.column_names[n] for n in gone])
            rows = rows.set_column(at, rows.schema.field(at), masked)
        return blanked(rows, named, gone)


@dataclass(frozen=True)
class Erased:
    """What is left of a table; `keep` (bool, one per row before) says which rows, `count` how many were erased."""

    rows: pa.Table
    keep: np.ndarray
    count: int


def blanked(rows: pa.Table, named: np.ndarray, places: Iterable[int]) -> pa.Table:
    """The rows, null in the columns at some places where they are `named` (bool)."""
    for at in places:
        field = rows.schema.field(at)
        cells = pc.call_function("if_else", [pa.array(named), pa.scalar(None, field.type), rows.column(at)])
        rows = rows.set_column(at, field, cells)
    return rows.combine_chunks()


def matches(contract: Contract, rows: pa.Table, households: np.ndarray) -> np.ndarray:
    """Which rows name one of the households (int64), bool; ids that are text count as the contract would read them."""
    found = np.zeros(rows.num_rows, bool)
    if not len(households):
        return found
    for at, name in enumerate(rows.column_names):
        if SAYS_WHOSE.fullmatch(name):
            found |= _matching(contract, rows.column(at), households)
    return found


def tombstones(contract: Contract, erasures: pa.Table, known_at: pa.TimestampScalar) -> pa.Table:
    """One row per household of `erasures` (household_id, erased_at) in the contract's columns: these two alone."""
    target = schema(contract)
    cells = {
        HOUSEHOLD: erasures[HOUSEHOLD].combine_chunks(),
        ERASED_AT: erasures[ERASED_AT].combine_chunks(),
        KNOWN_AT: pa.repeat(known_at, erasures.num_rows),
    }
    for column in contract.columns:
        if column.required and column.physical_type == "BOOLEAN" and column.name not in cells:
            cells[column.name] = pa.repeat(pa.scalar(False), erasures.num_rows)
    return pa.table([cells.get(field.name, pa.nulls(erasures.num_rows, field.type)) for field in target], schema=target)


def _matching(contract: Contract, cells: pa.ChunkedArray, households: np.ndarray) -> np.ndarray:
    """Distinct values are few beside rows, and only those of other types have to be read."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    wanted = pa.array(households, pa.int64())
    if cells.type != pa.int64():
        distinct = cells.unique().drop_null()
        typed, _ = cast(replace(contract, columns=(ID,)), pa.table({HOUSEHOLD: distinct}))
        wanted = distinct.filter(pa.array(np.isin(typed[HOUSEHOLD].fill_null(NOBODY).to_numpy(), households)))
    found = pc.call_function("is_in", [cells], pc.SetLookupOptions(wanted, skip_nulls=True))
    return np.asarray(found.to_numpy(), bool)


def _is_stray(name: str, known: set[str]) -> bool:
    return name not in known and not name.startswith("_")


def _masked(rows: pa.Table, named: np.ndarray, columns: list[str]) -> pa.Array:
    """The quarantine's `_value`, which quotes cells, with those masked that are erased."""
    values = rows["_value"].to_pylist()
    for row in np.flatnonzero(named).tolist():
        for name in columns:
            cell = rows[name][row].as_py()
            if cell is not None and values[row]:
                told = f"(^|; ){re.escape(f'{name}={cell}')}(?=; |$)"
                values[row] = re.sub(told, rf"\1{name}={MASK}", values[row])
    return pa.array(values, pa.string())


def _together(rows: pa.Table, added: pa.Table) -> pa.Table:
    """The rows and then others, in the columns and types of the former; a column without a type gets the contract's."""
    as_words = as_text(added)
    columns = []
    for field in rows.schema:
        cells = rows[field.name]
        other = pa.nulls(added.num_rows, field.type)
        if field.name in added.column_names:
            typed = added[field.name].combine_chunks()
            if pa.types.is_null(field.type) and typed.null_count < len(typed):
                cells, other = cells.cast(typed.type), typed
            elif not pa.types.is_null(field.type):
                words = pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
                other = (as_words[field.name].combine_chunks() if words else typed).cast(field.type)
        columns.append(pa.chunked_array([*cells.chunks, other], cells.type))
    fields = [field.with_type(cells.type) for field, cells in zip(rows.schema, columns, strict=True)]
    return pa.table(columns, schema=pa.schema(fields, rows.schema.metadata))
