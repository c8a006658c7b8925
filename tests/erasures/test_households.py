"""A wish to be erased is heard wherever it can be read."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path

import pyarrow as pa

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.erasures.households import told_by
from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import Calendar

CALENDAR = Calendar(date(2025, 3, 3), date(2025, 3, 10), "Europe/Berlin")
WEEK, _ = CALENDAR.weeks
CUSTOMERS = reader.load("customers")
SINCE = datetime(2025, 3, 4, 9)


def clean(household: int) -> pa.Table:
    schema = arrow.schema(CUSTOMERS)
    row = {"household_id": household, "marketing_consent": False, "erased_at": SINCE, "known_at": SINCE}
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names}], schema)


def set_aside(*wishes: tuple[str, str | None]) -> pa.Table:
    households, instants = zip(*wishes, strict=True)
    joined = ["2025-02-30"] * len(wishes)
    return pa.table({"household_id": households, "erased_at": pa.array(instants, pa.string()), "joined_at": joined})


def test_a_wish_in_a_row_that_another_rule_has_set_aside_is_heard(tmp_path: Path) -> None:
    store = Store(tmp_path, CALENDAR)
    rows = set_aside(("100", "2025-03-04 09:00:00"), ("101", None), ("102", "soon"), ("one", "2025-03-04"))
    store.write("quarantine", "customers", WEEK, rows, "set aside")
    store.write("clean", "customers", WEEK, clean(7), "clean")
    assert told_by(store, CUSTOMERS, WEEK) == {100: SINCE, 7: SINCE}


def test_a_week_that_was_not_fit_to_use_is_heard_all_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path, CALENDAR)
    store.write("quarantine", "customers", WEEK, set_aside(("100", "2025-03-04 09:00:00")), "set aside")
    assert told_by(store, CUSTOMERS, WEEK) == {100: SINCE}
    assert told_by(store, CUSTOMERS, CALENDAR.weeks[1]) == {}
