"""Quarantined rows: their cells as they came, in text, with the rules that they break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from coupon_pipeline.contracts.casting import as_text
from coupon_pipeline.contracts.contract import Contract
from coupon_pipeline.contracts.delivery import QUARANTINE_COLUMNS


def quarantined(contract: Contract, raw: pa.Table, rows: np.ndarray, broken: Mapping[str, np.ndarray]) -> pa.Table:
    """The raw `rows` (sorted positions) as text, with QUARANTINE_COLUMNS; `broken` has the rows behind each rule."""
    text = as_text(raw.take(rows))
    marks = [(rule, np.isin(rows, broken[rule.id])) for rule in contract.rules if rule.id in broken]
    shown = {name: [mark for rule, mark in marks if name in rule.columns] for name in text.column_names}
    details = (
        _join(len(rows), [(rule.id, mark) for rule, mark in marks], ","),
        _join(len(rows), [(rule.reason, mark) for rule, mark in marks], "; "),
        _join(len(rows), [(_named(name, text), np.any(hits, axis=0)) for name, hits in shown.items() if hits], "; "),
        pa.array(rows, pa.int64()),
        pa.array([contract.label] * len(rows), pa.string()),
    )
    for name, values in zip(QUARANTINE_COLUMNS, details, strict=True):
        text = text.append_column(name, values)
    return text


def examples(contract: Contract, raw: pa.Table, rows: np.ndarray, columns: tuple[str, ...]) -> tuple[str, ...]:
    """The cells of some rows in some columns, one text per row, personal data masked."""
    open_columns = [name for name in columns if not contract.column(name).personal]
    text = as_text(raw.select(open_columns).take(rows)) if open_columns else None
    return tuple(
        "; ".join(
            f"{name}={text.column(name)[row].as_py() if text is not None and name in open_columns else '***'}"
            for name in columns
        )
        for row in range(len(rows))
    )


def _named(name: str, text: pa.Table) -> pa.ChunkedArray:
    return _call("binary_join_element_wise", f"{name}=", text.column(name).fill_null("null"), "")


def _join(count: int, parts: list[tuple[str | pa.ChunkedArray, np.ndarray]], separator: str) -> pa.Array:
    """Per row, the parts whose mark is set, joined."""
    if count == 0:
        return pa.array([], pa.string())
    chosen = [_call("if_else", pa.array(mark), value, pa.scalar(None, pa.string())) for value, mark in parts]
    joined = _call("binary_join_element_wise", *chosen, separator, options=pc.JoinOptions("skip"))
    return joined.combine_chunks() if isinstance(joined, pa.ChunkedArray) else joined


def _call(function: str, *arguments: Any, options: pc.FunctionOptions | None = None) -> Any:
    scalars = [pa.scalar(each) if isinstance(each, str) else each for each in arguments]
    return pc.call_function(function, scalars, options)
