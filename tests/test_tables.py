"""The store keeps weeks whole, and shows of them only what was known before an instant."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from coupon_pipeline.contracts import arrow, reader
from coupon_pipeline.tables import (
    MissingTableError,
    MissingWeekError,
    Store,
    read_digest,
)
from coupon_pipeline.weeks import Calendar, UnknownWeekError

CALENDAR = Calendar(date(2024, 1, 1), date(2024, 1, 22), "America/New_York")
FIRST, SECOND, THIRD, FOURTH = CALENDAR.weeks
MICROSECOND = timedelta(microseconds=1)


def rows_of(table: str, *rows: dict[str, Any]) -> pa.Table:
    schema = arrow.schema(reader.load(table))
    return pa.Table.from_pylist([dict.fromkeys(schema.names) | row for row in rows], schema=schema)


def stores(*rows: tuple[int, str, datetime]) -> pa.Table:
    found = [{"store_id": store_id, "region": region, "known_at": known_at} for store_id, region, known_at in rows]
    return rows_of("stores", *found)


def price(cents: int, valid_from: date, known_at: datetime, zone: int = 1, is_deleted: bool | None = None) -> Any:
    key = {"product_id": 1, "price_zone": zone, "valid_from": valid_from}
    return {**key, "shelf_price_cents": cents, "is_deleted": is_deleted, "known_at": known_at}


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


def ended(store: Store, *ends: bool | None) -> dict[int, str]:
    """The state after store 1 was said to have ended, or not, once a second from the third week's first instant on."""
    opens = CALENDAR.opens_at(THIRD)
    rows = [
        {"store_id": 1, "region": f"row {n}", "is_deleted": end, "known_at": opens + n * timedelta(seconds=1)}
        for n, end in enumerate(ends)
    ]
    store.write("clean", "stores", THIRD, rows_of("stores", *rows), "")
    return regions(store, CALENDAR.decision_time(THIRD))


def test_a_key_whose_last_row_ends_it_is_hidden_until_another_row_brings_it_back(store: Store) -> None:
    assert ended(store, True) == {2: "south"}
    assert ended(store, True, None) == {1: "row 1", 2: "south"}
    assert ended(store, True, False) == {1: "row 1", 2: "south"}
    assert ended(store, False, True) == {2: "south"}
    assert regions(store, CALENDAR.opens_at(THIRD)) == {1: "west", 2: "south"}


def test_a_row_that_ends_a_key_stays_in_the_log(store: Store) -> None:
    before = store.as_of(CALENDAR.opens_at(THIRD)).table("stores").count().to_pyarrow().as_py()
    ended(store, True)
    log = store.as_of(CALENDAR.decision_time(THIRD)).table("stores")
    assert log.count().to_pyarrow().as_py() == before + 1


@pytest.fixture
def prices(tmp_path: Path) -> Store:
    """A product whose price rises on 10 and on 20 January in zone 1, both known beforehand."""
    made = Store(tmp_path, CALENDAR)
    opens = CALENDAR.opens_at(FIRST)
    rows = [
        price(100, date(2024, 1, 1), opens),
        price(150, date(2024, 1, 1), opens, zone=2),
        price(110, date(2024, 1, 10), opens + timedelta(days=2)),
        price(120, date(2024, 1, 20), opens + timedelta(days=3)),
    ]
    for week in CALENDAR.weeks:
        made.write("clean", "prices", week, rows_of("prices", *(rows if week == FIRST else [])), "")
    return made


def priced(store: Store, instant: datetime, valid_at: date | None = None) -> dict[int, int]:
    rows = store.as_of(instant).state("prices", valid_at).to_pyarrow().to_pylist()
    return {row["price_zone"]: row["shelf_price_cents"] for row in rows}


@pytest.mark.parametrize(("day", "cents"), [(8, 100), (9, 100), (10, 110), (19, 110), (20, 120), (21, 120)])
def test_a_price_holds_from_its_own_day_on(prices: Store, day: int, cents: int) -> None:
    assert priced(prices, CALENDAR.midnight(date(2024, 1, day))) == {1: cents, 2: 150}
    assert priced(prices, CALENDAR.midnight(date(2024, 1, 8)), date(2024, 1, day)) == {1: cents, 2: 150}


def test_the_day_of_a_price_is_the_stores_own(prices: Store) -> None:
    evening_of_the_ninth = datetime(2024, 1, 10, 3, 30)
    assert priced(prices, evening_of_the_ninth)[1] == 100


def test_a_price_that_was_not_yet_known_does_not_hold(prices: Store) -> None:
    known = CALENDAR.opens_at(FIRST) + timedelta(days=2)
    assert priced(prices, known, date(2024, 1, 10))[1] == 100
    assert priced(prices, known + MICROSECOND, date(2024, 1, 10))[1] == 110


def test_a_price_that_is_withdrawn_or_corrected_gives_way(prices: Store) -> None:
    opens = CALENDAR.opens_at(SECOND)
    day = date(2024, 1, 20)
    prices.write("clean", "prices", SECOND, rows_of("prices", price(130, day, opens)), "")
    assert priced(prices, opens + MICROSECOND, day)[1] == 130
    withdrawn = price(130, day, opens, is_deleted=True)
    prices.write("clean", "prices", SECOND, rows_of("prices", withdrawn), "")
    assert priced(prices, opens + MICROSECOND, day)[1] == 110


def test_a_source_that_lacks_an_optional_table_has_it_without_rows(tmp_path: Path) -> None:
    lacking = Store(tmp_path, CALENDAR, delivered=("stores",))
    as_of = lacking.as_of(CALENDAR.opens_at(SECOND))
    assert not lacking.delivers("prices")
    for found, left_out in ((as_of.table("prices"), set()), (as_of.state("prices"), {"is_deleted"})):
        empty = found.to_pyarrow()
        expected = {f.name: f.type for f in arrow.schema(reader.load("prices")) if f.name not in left_out}
        assert (empty.num_rows, dict(zip(empty.schema.names, empty.schema.types, strict=True))) == (0, expected)


def test_a_source_that_lacks_a_mandatory_table_is_told_to_deliver_it(tmp_path: Path) -> None:
    lacking = Store(tmp_path, CALENDAR, delivered=("prices",))
    with pytest.raises(MissingTableError, match="delivers no stores"):
        lacking.as_of(CALENDAR.opens_at(SECOND)).state("stores")


def test_a_week_of_an_optional_table_that_was_not_fit_is_a_gap_and_stops_nobody(prices: Store) -> None:
    closes = CALENDAR.decision_time(FOURTH)
    opens = CALENDAR.opens_at(SECOND)
    prices.write("clean", "prices", SECOND, rows_of("prices", price(130, date(2024, 1, 8), opens)), "")
    assert prices.gaps("prices", FOURTH) == ()
    prices.path("clean", "prices", FIRST).unlink()
    prices.path("clean", "prices", THIRD).unlink()
    assert prices.gaps("prices", SECOND) == (FIRST,)
    assert prices.gaps("prices", FOURTH) == (FIRST, THIRD)
    assert priced(prices, closes) == {1: 130}


def test_an_optional_table_without_any_week_is_empty(prices: Store) -> None:
    for week in CALENDAR.weeks:
        prices.path("clean", "prices", week).unlink()
    assert prices.gaps("prices", FOURTH) == CALENDAR.weeks
    assert priced(prices, CALENDAR.decision_time(FOURTH)) == {}
    assert Store(prices.root, CALENDAR, delivered=("stores",)).gaps("prices", FOURTH) == ()


@pytest.fixture
def households(tmp_path: Path) -> Store:
    """Households 7 and 8 with a customer row, a campaign and a sale each; 7 is erased in the last week."""
    made, opens = Store(tmp_path, CALENDAR), CALENDAR.opens_at(FIRST)
    both = [{"household_id": household, "known_at": opens} for household in (7, 8)]
    told = {"marketing_consent": True, "age_band": "35-44"}
    tables = {
        "customers": [*({**row, **told} for row in both), {**both[0], **told, "erased_at": opens}],
        "campaign_targets": [{**row, "campaign_id": 1} for row in both],
        "pos_transactions": [{**row, "basket_id": row["household_id"], "gross_cents": 100} for row in both],
    }
    for table, rows in tables.items():
        schema = pa.schema([field.with_nullable(True) for field in arrow.schema(reader.load(table))])
        full = [dict.fromkeys(schema.names) | row for row in rows]
        for week in CALENDAR.weeks:
            made.write("clean", table, week, pa.Table.from_pylist(full if week == FIRST else [], schema), "")
    erased = pa.table({"household_id": pa.array([7], pa.int64()), "erased_at": [CALENDAR.opens_at(FOURTH)]})
    made.write("erasures", "households", FOURTH, erased, "")
    return made


def test_an_erased_household_is_seen_by_no_reader_whatever_the_instant(households: Store) -> None:
    assert households.erased().tolist() == [7]
    for week in CALENDAR.weeks:
        as_of = households.as_of(CALENDAR.decision_time(week))
        assert as_of.table("campaign_targets").to_pyarrow()["household_id"].to_pylist() == [8]
        for table in ("customers", "campaign_targets"):
            assert as_of.state(table).to_pyarrow()["household_id"].to_pylist() == [8]


def test_a_sale_stays_without_its_household(households: Store) -> None:
    sales = households.as_of(CALENDAR.opens_at(SECOND)).table("pos_transactions").order_by("basket_id").to_pyarrow()
    assert sales["household_id"].to_pylist() == [None, 8]
    assert sales["gross_cents"].to_pylist() == [100, 100]


def test_customers_keep_the_row_that_says_so(households: Store) -> None:
    rows = households.as_of(CALENDAR.opens_at(SECOND)).table("customers").to_pyarrow().to_pylist()
    assert [(row["household_id"], row["erased_at"] is not None, row["age_band"]) for row in rows] == [
        (8, False, "35-44"),
        (7, True, None),
    ]


def test_without_an_erasure_there_is_no_erased_household(store: Store) -> None:
    assert store.erased().tolist() == []
