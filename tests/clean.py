"""A store whose clean tables hold a few rows that a test names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

Rows = Sequence[Mapping[str, Any]]


def clean_store(root: Path, calendar: Calendar, tables: Mapping[str, Rows]) -> Store:
    """A source of these tables: each row lies in the week of its `known_at`, and what it does not say is null."""
    store = Store(root, calendar, threads=1, delivered=tuple(tables))
    for table, rows in tables.items():
        schema = pa.schema([field.with_nullable(True) for field in arrow.schema(reader.load(table))])
        for week in calendar.weeks:
            opens, closes = calendar.opens_at(week), calendar.decision_time(week)
            known = [row for row in rows if opens <= row["known_at"] < closes]
            found = [{name: row.get(name) for name in schema.names} for row in known]
            store.write("clean", table, week, pa.Table.from_pylist(found, schema), f"{table} of {week}")
    return store
