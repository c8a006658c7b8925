"""Makes a clean week dirty: the rates of real feeds, in three levels, with a private list of every fault."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from types import MappingProxyType
from typing import Final, Literal

import numpy as np
import pyarrow as pa

from coupon_pipeline.simulation.dirt import rows, tills
from coupon_pipeline.simulation.dirt.choice import day_of, falls_due, one_of
from coupon_pipeline.simulation.dirt.faults import (
    LANDING,
    SCHEMA,
    VOLUME,
    of_files,
    together,
)
from coupon_pipeline.simulation.feeds.delivery import (
    BUSINESS_DAY,
    DELIVERED_ON,
    DROPPED,
    RESENT,
    Delivery,
    Spoiling,
    SpoiltFile,
    check_records,
    on_time,
)
from coupon_pipeline.simulation.feeds.pos import file_of
from coupon_pipeline.simulation.records import WeekRecords

Level = Literal["none", "default", "hostile"]
"""`default` blocks no table; `hostile` also has null keys and, each once a year, files that cannot be read."""

EVENTS: Final[Mapping[Spoiling, tuple[str, str]]] = MappingProxyType(
    {
        "truncated": (LANDING, "half a gzip file"),
        "header_only": (VOLUME, "the lines never come"),
        "wrong_encoding": (LANDING, "UTF-16 instead of UTF-8"),
        "renamed_column": (LANDING, "qty is called units in all files of the day"),
        "missing": (LANDING, "no file of the day ever comes"),
    }
)
"""What befalls a till file once a year -> the rule that should catch it, and a note."""
WHOLE_DAY: Final = ("renamed_column", "missing")


@dataclass(frozen=True)
class Dirtied:
    """A week as delivered, the list of its faults (SCHEMA), and what the next week delivers of this one's rows."""

    delivery: Delivery
    faults: pa.Table
    carried: Mapping[str, pa.Table]


def dirty(
    records: WeekRecords,
    level: Level,
    seed: int,
    timezone: str,
    carried: Mapping[str, pa.Table] | None = None,
    events: Collection[Spoiling] = (),
) -> Dirtied:
    """A week after its dirt: a pure function of these records, of those of the week before, and of the seed.

    `carried` is that of the week before, None in the first week; `events` happen in this week beside those scheduled.
    Raises ValueError for records that are not those of a week.
    """
    check_records(records)
    if level == "none":
        return Dirtied(on_time(records, timezone), SCHEMA.empty_table(), {})
    hostile = level == "hostile"
    tables, entries = dict(records.tables), []
    following: dict[str, pa.Table] = {}
    for name in DROPPED:
        spoiled = tills.spoiled(name, records, timezone, seed, hostile)
        last = np.datetime64(date.fromisoformat(records.week) + timedelta(days=6))
        now = spoiled.column(DELIVERED_ON).to_numpy() <= last
        following[name] = spoiled.filter(pa.array(~now))
        delivered = pa.concat_tables([*([carried[name]] if carried else []), spoiled.filter(pa.array(now))])
        entries += tills.of_rows(name, delivered, records.week)
        tables[name] = delivered.drop_columns([tills.FAULT, tills.WAS]).combine_chunks()
    entries += tills.of_clocks(records, timezone, seed) + tills.of_late_files(records, timezone, seed)
    for name in sorted({fault.table for fault in rows.FAULTS}):
        tables[name], listed = rows.spoiled(name, records, seed, hostile)
        entries += listed
    delivery = Delivery(replace(records, tables=tables))
    if hostile:
        spoilt = _spoilt(delivery, seed, events)
        entries += [_of_event(delivery, one) for one in spoilt]
        delivery = replace(delivery, spoilt=spoilt)
    return Dirtied(delivery, together(entries), following)


def _spoilt(delivery: Delivery, seed: int, events: Collection[Spoiling]) -> tuple[SpoiltFile, ...]:
    """The files that a yearly event befalls in this week; two events never meet on one day."""
    week = delivery.records.week
    found = []
    for number, kind in enumerate(EVENTS):
        if kind not in events and not falls_due(seed, kind, week):
            continue
        day = delivery.days[(day_of(seed, "events", week) + number) % len(delivery.days)]
        stores = _stores(delivery, day)
        if kind in WHOLE_DAY:
            found.append(SpoiltFile(kind, day))
        elif len(stores):
            found.append(SpoiltFile(kind, day, one_of(seed, kind, week, stores)))
    return tuple(found)


def _stores(delivery: Delivery, day: date) -> np.ndarray:
    """The stores with a file of their own day on a day."""
    lines = delivery.records.tables["pos_lines"]
    on_day = lines.column(DELIVERED_ON).to_numpy() == np.datetime64(day)
    on_time_of_day = lines.column(BUSINESS_DAY).to_numpy() == np.datetime64(day)
    first = ~lines.column(RESENT).to_numpy()
    return np.unique(lines.column("store_id").to_numpy()[on_day & on_time_of_day & first])


def _of_event(delivery: Delivery, spoilt: SpoiltFile) -> pa.Table:
    rule, note = EVENTS[spoilt.kind]
    folder = f"pos/{spoilt.day}"
    path = folder if spoilt.store_id is None else f"{folder}/{file_of(spoilt.store_id)}"
    return of_files(spoilt.kind, "pos_transactions", rule, [path], delivery.records.week, note)
