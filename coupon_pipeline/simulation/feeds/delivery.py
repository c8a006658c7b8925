"""What the systems deliver in one week: the records, the file that each till line is in, and spoilt files."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.feeds.text import local_days
from coupon_pipeline.simulation.records import SCHEMAS, WeekRecords

DELIVERED_ON, BUSINESS_DAY, RESENT = "delivered_on", "business_day", "resent"
"""Columns that a delivery adds to `DROPPED` tables: two store-local days, and whether the row is in a re-sent file."""
DROPPED: Final = {"pos_lines": "sold_at", "redemptions": "redeemed_at"}
"""Tables that come as files per day -> their event time."""

Spoiling = Literal["truncated", "header_only", "wrong_encoding", "renamed_column", "missing"]


@dataclass(frozen=True)
class SpoiltFile:
    """A till file that is not as it should be; `store_id` is None where all files of the day are."""

    kind: Spoiling
    day: date
    store_id: int | None = None


@dataclass(frozen=True)
class Delivery:
    """The rows of a week as delivered; `DROPPED` tables carry the columns that say in which file each row is."""

    records: WeekRecords
    spoilt: tuple[SpoiltFile, ...] = ()

    @property
    def days(self) -> tuple[date, ...]:
        """The store-local days of the week."""
        first = date.fromisoformat(self.records.week)
        return tuple(first + timedelta(days=number) for number in range(7))


def check_records(records: WeekRecords) -> None:
    """Raise ValueError where tables, columns or instants are not those of a week."""
    missing = sorted(set(SCHEMAS) - set(records.tables))
    if missing:
        raise ValueError(f"week {records.week}: the tables {', '.join(missing)} are missing")
    for name, schema in SCHEMAS.items():
        table = records.tables[name]
        if table.schema != schema:
            raise ValueError(f"week {records.week}: {name} has the columns {table.schema}, expected {schema}")
        for column in ("changed_at", *DROPPED.values(), "issued_at", "happened_at"):
            if column in table.column_names and not _within(table.column(column), records):
                raise ValueError(f"week {records.week}: {name}.{column} must lie within the week")


def _within(instants: pa.ChunkedArray, records: WeekRecords) -> bool:
    values = instants.to_numpy()
    low, high = np.datetime64(records.opens_at), np.datetime64(records.closes_at)
    return instants.null_count == 0 and bool(np.all((values >= low) & (values < high)))


def on_time(records: WeekRecords, timezone: str) -> Delivery:
    """All rows as the world made them, each in the file of its own day."""
    tables = dict(records.tables)
    for name, instant in DROPPED.items():
        days = local_days(tables[name].column(instant), timezone)
        tables[name] = filed(tables[name], days, days, np.zeros(len(days), bool))
    return Delivery(replace(records, tables=tables))


def filed(table: pa.Table, delivered_on: np.ndarray, business_day: np.ndarray, resent: np.ndarray) -> pa.Table:
    """A table with the columns that say in which file each row is."""
    return (
        table.append_column(DELIVERED_ON, pa.array(delivered_on, pa.date32()))
        .append_column(BUSINESS_DAY, pa.array(business_day, pa.date32()))
        .append_column(RESENT, pa.array(resent))
    )
