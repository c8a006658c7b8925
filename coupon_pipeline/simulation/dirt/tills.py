"""Faults of what the tills drop: lines and redemptions, whole files that are late or sent again, wrong clocks."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.dirt.choice import (
    chosen,
    day_of,
    drawn,
    falls_due,
    numbers,
    one_of,
)
from coupon_pipeline.simulation.dirt.faults import HARMLESS, listed, of_files
from coupon_pipeline.simulation.feeds.delivery import (
    BUSINESS_DAY,
    DELIVERED_ON,
    DROPPED,
    RESENT,
    filed,
)
from coupon_pipeline.simulation.feeds.pos import file_of
from coupon_pipeline.simulation.feeds.text import local_days
from coupon_pipeline.simulation.records import WeekRecords

FAULT, WAS = "fault", "was"
"""Columns that dirty rows carry until they are delivered: what befell them, and the number that was there before."""
UNKNOWN: Final = 900_000_000_000
"""Added to an id, it makes one that no catalogue has."""
MOST_LATE_DAYS: Final = 3
SLOW_TILL_SHARE, STORE_DAY_LATE_SHARE, RESENT_SHARE = 0.01, 0.002, 0.005
LATE_LINES_SHARE: Final = 0.1
"""Of a store's days: those with late lines, which then come in one file. A tenth of their lines, so 1% of all."""


@dataclass(frozen=True)
class LineFault:
    """What befalls a share of the rows of a file; `change` gives the new numbers of `column`, None leaves them."""

    name: str
    rate: float
    rule: str
    note: str
    column: str | None = None
    change: Callable[[np.ndarray], np.ndarray] | None = None
    copied: bool = False
    late: bool = False
    emptied: bool = False
    hostile: bool = False


LINE_FAULTS: Final = (
    LineFault(
        "unknown_product",
        0.0033,
        "product_id.exists_in",
        "the bill still has the line, under the product {was}",
        "product_id",
        lambda ids: ids + UNKNOWN,
    ),
    LineFault(
        "negative_quantity",
        0.0005,
        "quantity.range",
        "the bill still has the line, with the quantity {was}",
        "quantity",
        lambda units: -np.maximum(units, 1),
    ),
    LineFault("null_key", 0.0005, "line.required", "was line {was}", "line", emptied=True, hostile=True),
    LineFault(
        "quantity_zero", 0.001, HARMLESS, "weighed; the amounts stay, was {was}", "quantity", lambda units: units * 0
    ),
    LineFault("quantity_in_grams", 0.0005, HARMLESS, "another unit; was {was}", "quantity", lambda units: units * 1000),
    LineFault("duplicate_line", 0.0005, "row.duplicate", "the surplus one of two equal lines", copied=True),
    LineFault("late_line", 0.1, HARMLESS, "delivered after its business day", late=True),
)
REDEMPTION_FAULTS: Final = (
    LineFault(
        "null_key",
        0.0005,
        "redemption_id.required",
        "was redemption {was}",
        "redemption_id",
        emptied=True,
        hostile=True,
    ),
    LineFault("duplicate_redemption", 0.005, "row.duplicate", "the surplus one of two equal rows", copied=True),
    LineFault("late_redemption", 0.01, HARMLESS, "delivered after its business day", late=True),
)
RESENT_FILE: Final = LineFault("file_resent", RESENT_SHARE, "row.duplicate", "in a file that was sent again")
TABLES: Final = MappingProxyType(
    {
        "pos_lines": ("pos_transactions", ("basket_id", "line"), (*LINE_FAULTS, RESENT_FILE)),
        "redemptions": ("coupon_redemptions", ("redemption_id",), REDEMPTION_FAULTS),
    }
)
"""Table of the records -> table of the contracts, key, and the faults; a row's `fault` counts these from 1."""


def spoiled(name: str, records: WeekRecords, timezone: str, seed: int, hostile: bool) -> pa.Table:
    """The week's rows of a `DROPPED` table with what befell them; some are to be delivered in the next week.

    Store by store, so that memory does not grow with the chain.
    """
    table = records.tables[name]
    stores = np.flatnonzero(np.diff(table.column("store_id").to_numpy())) + 1 if name == "pos_lines" else []
    bounds = [0, *stores, table.num_rows]
    parts = [
        _spoiled(name, table.slice(low, high - low), records.week, timezone, seed, hostile)
        for low, high in itertools.pairwise(bounds)
    ]
    return pa.concat_tables(parts)


def _spoiled(name: str, table: pa.Table, week: str, timezone: str, seed: int, hostile: bool) -> pa.Table:
    _, key, faults = TABLES[name]
    days = local_days(table.column(DROPPED[name]), timezone)
    keys = [numbers(table.column(column)) for column in key]
    marks = np.zeros(len(days), np.int8)
    was = np.zeros(len(days), np.int64)
    delay = np.zeros(len(days), np.int64)
    files = _store_days(table, days, seed) if name == "pos_lines" else None
    for mark, fault in enumerate(faults, 1):
        if fault is RESENT_FILE or (fault.hostile and not hostile):
            continue
        hit = (marks == 0) & chosen(drawn(seed, f"{name}/{fault.name}", *keys), fault.rate)
        if fault.late:
            hit &= True if files is None else files.has_late_lines
            delay[hit] = (_days_late(seed, f"{name}/delay", *keys) if files is None else files.delay)[hit]
        marks[hit] = mark
        if fault.column is not None:
            table, was = _changed(table, fault, hit, was)
    if files is not None:
        delay[files.late] = files.delay[files.late]
        table = _with_wrong_clocks(table, week, days, seed)
    table = filed(table, days + delay.astype("timedelta64[D]"), days, np.zeros(len(days), bool))
    table = table.append_column(FAULT, pa.array(marks)).append_column(WAS, pa.array(was))
    return _with_copies(name, table, seed)


def _changed(table: pa.Table, fault: LineFault, hit: np.ndarray, was: np.ndarray) -> tuple[pa.Table, np.ndarray]:
    """The table with the fault's column changed where it hit, and what was there before."""
    position = table.column_names.index(str(fault.column))
    before = numbers(table.column(position))
    after = before if fault.change is None else fault.change(before)
    cells = pa.array(np.where(hit, after, before), mask=hit & fault.emptied).cast(table.field(position).type)
    return table.set_column(position, table.field(position), cells), np.where(hit, before, was)


def _days_late(seed: int, stream: str, *keys: np.ndarray) -> np.ndarray:
    return 1 + (drawn(seed, stream, *keys) * MOST_LATE_DAYS).astype(np.int64)


@dataclass(frozen=True)
class StoreDays:
    """What befalls, line by line, the file of the line's store and day; bool [lines]."""

    late: np.ndarray
    has_late_lines: np.ndarray
    resent: np.ndarray
    delay: np.ndarray
    """Days by which the file, or what is late of it, is late; int64 [lines]."""


def _store_days(table: pa.Table, days: np.ndarray, seed: int) -> StoreDays:
    keys = numbers(table.column("store_id")), days.astype(np.int64)
    late = chosen(drawn(seed, "late_store_day", *keys), STORE_DAY_LATE_SHARE)
    some = ~late & chosen(drawn(seed, "late_line/store_day", *keys), LATE_LINES_SHARE)
    resent = ~late & chosen(drawn(seed, RESENT_FILE.name, *keys), RESENT_SHARE)
    return StoreDays(late, some, resent, _days_late(seed, "late_line/delay", *keys))


def _with_copies(name: str, table: pa.Table, seed: int) -> pa.Table:
    """The table with a second row of each duplicate, and with the rows of files that are sent again."""
    faults = TABLES[name][2]
    marks = table.column(FAULT).to_numpy()
    copied = np.isin(marks, [mark for mark, fault in enumerate(faults, 1) if fault.copied])
    table = table.take(np.repeat(np.arange(len(marks)), 1 + copied))
    if copied.any():
        # The first of two equal rows is the good one.
        second = np.zeros(table.num_rows, bool)
        second[np.flatnonzero(copied) + np.arange(1, np.count_nonzero(copied) + 1)] = True
        marks = np.repeat(marks, 1 + copied)
        repeated = np.repeat(copied, 1 + copied)
        table = _set(table, FAULT, pa.array(np.where(repeated & ~second, 0, marks).astype(np.int8)))
    if name != "pos_lines":
        return table
    days = table.column(BUSINESS_DAY).cast(pa.int32()).to_numpy()
    in_file = days == table.column(DELIVERED_ON).cast(pa.int32()).to_numpy()
    again = table.filter(pa.array(in_file & _store_days(table, days.astype("datetime64[D]"), seed).resent))
    again = _set(again, RESENT, pa.array(np.ones(again.num_rows, bool)))
    again = _set(again, FAULT, pa.array(np.full(again.num_rows, faults.index(RESENT_FILE) + 1, np.int8)))
    return pa.concat_tables([table, again])


def _set(table: pa.Table, name: str, cells: Any) -> pa.Table:
    position = table.column_names.index(name)
    return table.set_column(position, table.field(position), cells)


def _slow_tills(table: pa.Table, week: str, seed: int) -> np.ndarray:
    """Minutes, per line, that the clock of its till is slow in this week."""
    number = int(np.datetime64(week).astype(np.int64))
    tills = numbers(table.column("store_id")), numbers(table.column("till_id")), number
    slow = chosen(drawn(seed, "till_clock", *tills), SLOW_TILL_SHARE)
    return np.where(slow, 1 + (drawn(seed, "till_clock/minutes", *tills) * 12).astype(np.int64), 0)


def _slow_store(table: pa.Table, week: str, days: np.ndarray, seed: int) -> np.ndarray:
    """Which lines (bool) were sold where a store's clocks were an hour slow for two days, once a year."""
    stores = numbers(table.column("store_id"))
    if not len(stores) or not falls_due(seed, "store_clock", week):
        return np.zeros(len(stores), bool)
    since = days - np.datetime64(week) - np.timedelta64(day_of(seed, "store_clock", week, 6), "D")
    return (stores == one_of(seed, "store_clock", week, np.unique(stores))) & np.isin(since.astype(np.int64), (0, 1))


def _with_wrong_clocks(table: pa.Table, week: str, days: np.ndarray, seed: int) -> pa.Table:
    minutes = _slow_tills(table, week, seed) + 60 * _slow_store(table, week, days, seed)
    sold = table.column("sold_at").to_numpy() - minutes.astype("timedelta64[m]")
    return _set(table, "sold_at", pa.array(sold, pa.timestamp("us")))


def of_rows(name: str, table: pa.Table, week: str) -> list[pa.Table]:
    """The list of what befell single rows that are delivered in a week."""
    contract, key, faults = TABLES[name]
    marks = table.column(FAULT).to_numpy()
    entries = []
    for mark, fault in enumerate(faults, 1):
        rows = table.filter(pa.array(marks == mark))
        if rows.num_rows:
            notes = pa.array([fault.note.replace("{was}", str(was)) for was in rows.column(WAS).to_pylist()])
            entries.append(listed(fault.name, contract, fault.rule, rows.select(key), week, pa.chunked_array([notes])))
    return entries


def of_clocks(records: WeekRecords, timezone: str, seed: int) -> list[pa.Table]:
    """The list of clocks that were wrong in a week."""
    table = records.tables["pos_lines"]
    days = local_days(table.column("sold_at"), timezone)
    tills = _slow_tills(table, records.week, seed) > 0
    slow = table.select(["store_id", "till_id"]).filter(pa.array(tills)).group_by(["store_id", "till_id"]).aggregate([])
    store = _slow_store(table, records.week, days, seed)
    hours = pa.table({"store_id": table.column("store_id"), "day": pa.array(days, pa.date32())}).filter(pa.array(store))
    hours = hours.group_by(["store_id", "day"]).aggregate([])
    return [
        listed("till_clock", "pos_transactions", HARMLESS, slow, records.week, "minutes slow all week"),
        listed("store_clock", "pos_transactions", HARMLESS, hours, records.week, "an hour slow"),
    ]


def of_late_files(records: WeekRecords, timezone: str, seed: int) -> list[pa.Table]:
    """The list of whole files of a week's days that are delivered late."""
    table = records.tables["pos_lines"]
    days = local_days(table.column("sold_at"), timezone)
    hit = _store_days(table, days, seed).late
    stores = numbers(table.column("store_id"))
    late = sorted({(int(store), str(day)) for store, day in zip(stores[hit], days[hit], strict=True)})
    paths = [f"pos/{day}/{file_of(store)}" for store, day in late]
    return [of_files("late_store_day", "pos_transactions", HARMLESS, paths, records.week, "comes days later")]
