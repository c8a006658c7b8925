"""The store keeps weeks whole, and shows of them only what was known before an instant."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.tables import MissingWeekError, Store, read_digest
from coupon_pipeline.weeks import Calendar, UnknownWeekError

CALENDAR = Calendar(date(2024, 1, 1), date(2024, 1, 22), "America/New_York")
FIRST, SECOND, THIRD, FOURTH = CALENDAR.weeks
MICROSECOND = timedelta(microseconds=1)


def stores(*rows: tuple[int, str, datetime]) -> pa.Table:
    schema = arrow.schema(reader.load("stores"))
    found: list[dict[str, Any]] = [
        {"store_id": store_id, "region": region, "format": None, "known_at": known_at}
        for store_id, region, known_at in rows
    ]
    return pa.Table.from_pylist(found, schema=schema)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Two stores, of which one moves; the third and fourth week bring nothing."""
    made = Store(tmp_path, CALENDAR)
    opens = CALENDAR.opens_at
    weeks = {
        FIRST: stores((1, "north", opens(FIRST)), (2, "south", opens(FIRST))),
        SECOND: stores((1, "east", opens(SECOND)), (1, "west", opens(SECOND))),
        THIRD: stores(),
        FOURTH: stores(),
    }
    for week, rows in weeks.items():
        made.write("clean", "stores", week, rows, f"made from {week}")
    return made


def regions(store: Store, instant: datetime) -> dict[int, str]:
    rows = store.as_of(instant).state("stores").to_pyarrow().to_pylist()
    return {row["store_id"]: row["region"] for row in rows}


def test_a_week_comes_back_as_it_was_written_with_its_digest(store: Store) -> None:
    assert store.read("clean", "stores", FIRST).num_rows == 2
    assert store.row_count("clean", "stores", SECOND) == 2
    assert store.digest("clean", "stores", FIRST) == f"made from {FIRST}"
    assert store.latest("clean", "stores") == FOURTH


def test_the_same_rows_and_digest_give_the_same_bytes(store: Store) -> None:
    before = store.path("clean", "stores", FIRST).read_bytes()
    store.write("clean", "stores", FIRST, store.read("clean", "stores", FIRST), f"made from {FIRST}")
    assert store.path("clean", "stores", FIRST).read_bytes() == before


def test_no_column_is_made_from_the_name_of_the_folder(store: Store) -> None:
    assert "week" not in store.read("clean", "stores", FIRST).column_names
    assert "week" not in store.as_of(CALENDAR.opens_at(THIRD)).table("stores").columns


def test_a_week_outside_the_calendar_is_refused(store: Store) -> None:
    with pytest.raises(UnknownWeekError, match="2024-01-03"):
        store.write("clean", "stores", "2024-01-03", stores(), "")


def test_a_missing_week_is_named_with_what_to_run(store: Store) -> None:
    store.path("clean", "stores", SECOND).unlink()
    assert store.digest("clean", "stores", SECOND) is None
    for read in (
        lambda: store.read("clean", "stores", SECOND),
        lambda: store.as_of(CALENDAR.decision_time(FOURTH)).table("stores"),
        lambda: store.as_of(CALENDAR.decision_time(THIRD)).state("stores"),
    ):
        with pytest.raises(MissingWeekError, match=f"clean/stores has no week {SECOND}.*make run"):
            read()


def test_a_damaged_file_has_no_digest_and_so_is_stale(store: Store) -> None:
    path = store.path("clean", "stores", FIRST)
    path.write_bytes(path.read_bytes()[:-20])
    assert read_digest(path) is None


def test_a_row_is_seen_from_the_microsecond_after_it_was_known(store: Store) -> None:
    known_at = CALENDAR.opens_at(SECOND)
    assert store.as_of(known_at).table("stores").count().to_pyarrow().as_py() == 2
    assert store.as_of(known_at + MICROSECOND).table("stores").count().to_pyarrow().as_py() == 4


def test_the_state_is_the_last_known_row_and_of_equals_the_later_one(store: Store) -> None:
    assert regions(store, CALENDAR.opens_at(SECOND)) == {1: "north", 2: "south"}
    assert regions(store, CALENDAR.decision_time(SECOND)) == {1: "west", 2: "south"}


def test_weeks_that_open_at_the_instant_or_later_need_not_exist(store: Store) -> None:
    store.path("clean", "stores", THIRD).unlink()
    assert regions(store, CALENDAR.opens_at(THIRD)) == {1: "west", 2: "south"}


def test_before_the_calendar_nothing_was_known(store: Store) -> None:
    with pytest.raises(MissingWeekError, match="the calendar starts later"):
        store.as_of(CALENDAR.opens_at(FIRST)).table("stores")


def test_the_day_of_an_instant_is_the_stores_own(store: Store) -> None:
    late_evening = datetime(2024, 1, 10, 3, 30)
    assert store.as_of(late_evening).day().to_pyarrow().as_py() == date(2024, 1, 9)


def test_a_layer_without_a_week_says_what_to_run(tmp_path: Path) -> None:
    with pytest.raises(MissingWeekError, match="has no week yet"):
        Store(tmp_path, CALENDAR).latest("clean", "stores")
