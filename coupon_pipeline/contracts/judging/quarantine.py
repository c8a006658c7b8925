"""Quarantined rows: their cells as they came, in text, with the rules that they break and where they came from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts.contract import MASK, Contract
from coupon_pipeline.contracts.judging.casting import as_text
from coupon_pipeline.contracts.judging.positions import NO_ROWS, among
from coupon_pipeline.contracts.lineage import Lineage

QUARANTINE_COLUMNS = ("_rule", "_reason", "_value", "_source_file", "_source_row", "_row", "_contract")
"""What a quarantined row carries beside its own cells."""


def quarantined(contract: Contract, raw: pa.Table, rows: np.ndarray, broken: Mapping[str, np.ndarray]) -> pa.Table:
    """The raw `rows` (sorted positions) as text, with QUARANTINE_COLUMNS; `broken` has the rows behind each rule."""
    text = as_text(raw.take(rows)).rename_columns(_distinct(raw.column_names)).replace_schema_metadata()
    marks = [(rule, among(rows, broken[rule.id])) for rule in contract.rules if broken.get(rule.id, NO_ROWS).size]
    shown = {name: [mark for rule, mark in marks if name in rule.columns] for name in text.column_names}
    files, places = Lineage.of(raw).locate(rows)
    details = (
        _join(len(rows), [(rule.id, mark) for rule, mark in marks], ","),
        _join(len(rows), [(rule.reason, mark) for rule, mark in marks], "; "),
        _join(len(rows), [(_named(name, text), np.any(hits, axis=0)) for name, hits in shown.items() if hits], "; "),
        files,
        places,
        pa.array(rows, pa.int64()),
        pa.array([contract.label] * len(rows), pa.string()),
    )
    for name, values in zip(QUARANTINE_COLUMNS, details, strict=True):
        text = text.append_column(name, values)
    return text


def examples(contract: Contract, raw: pa.Table, rows: np.ndarray, columns: Sequence[str]) -> tuple[str, ...]:
    """The cells of some rows in some columns, one text per row, personal data masked."""
    return tuple("; ".join(f"{name}={_shown(contract, raw, name, int(row))}" for name in columns) for row in rows)


def _shown(contract: Contract, raw: pa.Table, name: str, row: int) -> str:
    if contract.column(name).personal:
        return MASK
    cell = raw.column(name)[row].as_py()
    return "null" if cell is None else str(cell)


def _distinct(names: Iterable[str]) -> list[str]:
    """The names, with a number behind one that came before or that the quarantine has itself."""
    taken = list(QUARANTINE_COLUMNS)
    found = []
    for name in names:
        number, given = 1, name
        while given in taken:
            number += 1
            given = f"{name}.{number}"
        taken.append(given)
        found.append(given)
    return found


def _named(name: str, text: pa.Table) -> pa.ChunkedArray:
    return _call("binary_join_element_wise", f"{name}=", text.column(name).fill_null("null"), "")


def _join(count: int, parts: list[tuple[str | pa.ChunkedArray, np.ndarray]], separator: str) -> pa.Array:
    """Per row, the parts whose mark is set, joined."""
    if count == 0:
        return pa.array([], pa.string())
    if not parts:
        return pa.nulls(count, pa.string())
    chosen = [_call("if_else", pa.array(mark), value, pa.scalar(None, pa.string())) for value, mark in parts]
    joined = _call("binary_join_element_wise", *chosen, separator, options=pc.JoinOptions("skip"))
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _call(function: str, *arguments: Any, options: pc.FunctionOptions | None = None) -> Any:
    scalars = [pa.scalar(each) if isinstance(each, str) else each for each in arguments]
    return pc.call_function(function, scalars, options)
