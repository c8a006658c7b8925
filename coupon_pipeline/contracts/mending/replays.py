"""Joins the rows that were let in again to those that landed, so that a week is judged on both."""

from __future__ import annotations

import itertools
from typing import Final

import pyarrow as pa

from coupon_pipeline.contracts.judging.casting import as_text
from coupon_pipeline.contracts.lineage import UNKNOWN, Lineage

REPLAYS: Final = "replays"
"""Layer of the rows that were let in again, in the week in which they were."""
WEEK: Final = "_week"
"""Its column beside the contract's: the week in which the row was set aside."""


def with_replays(raw: pa.Table, replays: pa.Table) -> pa.Table:
    """The landed rows, then the replays, in the columns that landed; where a column's types differ, as text."""
    columns, fields = [], []
    for place, field in enumerate(raw.schema):
        landed = raw.column(place)
        again = replays[field.name] if field.name in replays.column_names else None
        if again is None:
            again = pa.chunked_array([pa.nulls(replays.num_rows, field.type)])
        elif again.type != landed.type:
            landed, again = _text(landed), _text(again)
        columns.append(pa.chunked_array([*landed.chunks, *again.chunks], landed.type).combine_chunks())
        fields.append(field.with_type(landed.type))
    whole = pa.table(columns, schema=pa.schema(fields, raw.schema.metadata))
    return _origin(replays).after(_landed(raw)).attached(whole)


def _text(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    return as_text(pa.table({"cells": cells}))["cells"]


def _landed(raw: pa.Table) -> Lineage:
    known = Lineage.of(raw)
    return known if known.runs else Lineage.whole(UNKNOWN, raw.num_rows)


def _origin(replays: pa.Table) -> Lineage:
    groups = itertools.groupby(replays[WEEK].to_pylist())
    return Lineage(tuple((f"replay of {week}", None, len(list(rows))) for week, rows in groups))
