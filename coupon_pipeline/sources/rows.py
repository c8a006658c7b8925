"""What a connector hands over: cells in the system's own columns, and when each row was known."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from coupon_pipeline.contracts.lineage import Lineage
from coupon_pipeline.sources.delivered import TableConfig
from coupon_pipeline.sources.source import SourceError
from coupon_pipeline.sources.values import as_text, to_utc
from coupon_pipeline.weeks import Calendar

INSTANT = timedelta(microseconds=1)
INSTANTS = "@known_at"
"""A name that no column of a system has."""
NO_LINEAGE = Lineage()
NO_CELL = object()
"""Where a JSON object lacks a field: null is a value."""


@dataclass(frozen=True)
class Window:
    """The week that is read: `opens_at` and `closes_at` are its first instant and that of the next, naive UTC."""

    week: str
    calendar: Calendar
    opens_at: datetime
    closes_at: datetime

    @classmethod
    def of(cls, calendar: Calendar, week: str) -> Window:
        """The window of a week; raises UnknownWeekError."""
        return cls(calendar.check(week), calendar, calendar.opens_at(week), calendar.decision_time(week))

    @property
    def days(self) -> tuple[date, ...]:
        """The seven store-local days."""
        first = date.fromisoformat(self.week)
        return tuple(first + timedelta(days=n) for n in range(7))

    @property
    def last_instant(self) -> datetime:
        """The last microsecond of the week."""
        return self.closes_at - INSTANT

    def end_of(self, day: date) -> datetime:
        """The last microsecond of a store-local day, naive UTC."""
        return self.calendar.midnight(day + timedelta(days=1)) - INSTANT


@dataclass(frozen=True)
class Rows:
    """Rows of a table in the system's columns; `known_at` has one value per row, as text or instants.

    `lineage` says from which files they came; it is empty where the system has none.
    """

    cells: pa.Table
    known_at: pa.ChunkedArray
    lineage: Lineage = NO_LINEAGE

    def in_order(self, by: Sequence[str]) -> Rows:
        """The same rows by instant, then by columns: one order, whatever order a system without files gave them in."""
        rows = self.cells.append_column(INSTANTS, self.known_at)
        sortable = [name for name in (INSTANTS, *by) if not pa.types.is_null(rows[name].type)]
        if not sortable or rows.num_rows == 0:
            return self
        ordered = rows.sort_by([(name, "ascending") for name in sortable])
        return Rows(ordered.drop_columns([INSTANTS]), ordered[INSTANTS])

    def known_in(self, window: Window, time: Literal["utc", "local"]) -> Rows:
        """The rows whose instant lies in a week; one that cannot be read does, for the contract to find."""
        local = ZoneInfo(window.calendar.timezone) if time == "local" else None
        inside = {instant: _lies_in(window, instant, local) for instant in set(self.known_at.to_pylist())}
        kept = np.array([inside[instant] for instant in self.known_at.to_pylist()], bool)
        lineage = self.lineage.kept(kept) if self.lineage.rows else self.lineage
        return Rows(self.cells.filter(pa.array(kept)), self.known_at.filter(pa.array(kept)), lineage)


class Connector(Protocol):
    """Reads the tables of one system."""

    def prepare(self) -> None:
        """Start the system if it is not there and a command can; raises SourceError."""
        ...

    def rows(self, table: TableConfig, window: Window) -> Rows | None:
        """The rows that became known in a week; with `arrival`, all that the system has now; raises SourceError.

        For a table of full dumps the newest one of the week; None without one.
        """
        ...

    def before(self, table: TableConfig, window: Window) -> Rows | None:
        """The last dump that was known before the week; None without one."""
        ...

    def inputs(self, table: TableConfig, window: Window) -> list[Any]:
        """What tells, without asking the system, that `rows` would be others; empty where nothing does."""
        ...


def stamped(cells: pa.Table, instant: datetime, lineage: Lineage = NO_LINEAGE) -> Rows:
    """Rows that were all known at one instant."""
    known_at = pa.chunked_array([pa.repeat(pa.scalar(instant, pa.timestamp("us")), cells.num_rows)])
    return Rows(cells, known_at, lineage)


def no_rows(table: TableConfig, window: Window) -> Rows:
    """A delivery without rows."""
    return stamped(pa.table({name: pa.array([], pa.string()) for name in table.wanted}), window.last_instant)


def from_records(records: Sequence[Mapping[str, Any]], table: TableConfig) -> pa.Table:
    """JSON objects as text, nested fields by dotted path; raises SourceError where no object has a wanted field."""
    columns = {}
    for name in table.wanted:
        cells = [cell_of(record, name) for record in records]
        if cells and name not in table.optional and all(cell is NO_CELL for cell in cells):
            raise SourceError(f"the column {name} is missing: found {', '.join(records[0])}")
        columns[name] = pa.array([None if cell is NO_CELL else as_text(cell) for cell in cells], pa.string())
    return pa.table(columns)


def parse_json(text: str | bytes) -> Any:
    """JSON whose numbers stay the text that they are; raises ValueError."""
    return json.loads(text, parse_float=str, parse_int=str)


def cell_of(record: Any, name: str) -> Any:
    """The value at a dotted path; NO_CELL where there is none, null below an object that is null or empty."""
    value = record
    for depth, step in enumerate(name.split(".")):
        if depth and not value and not isinstance(value, str):
            return None
        if not isinstance(value, dict) or step not in value:
            return NO_CELL
        value = value[step]
    return value


def _lies_in(window: Window, text: str | None, local: ZoneInfo | None) -> bool:
    try:
        return window.opens_at <= to_utc(datetime.fromisoformat(text or ""), local) < window.closes_at
    except (ValueError, OverflowError):
        return True
