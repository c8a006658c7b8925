"""The books of a day are those of the stores' day, as they were known just before an instant."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pyarrow as pa
import pytest

from tests.ledger.worlds import HOUR
from tests.reconciling.shops import BEFORE, CALENDAR, DAY, FIRST, NEXT, STORE, Shop

from coupon_pipeline.clock import from_epoch
from coupon_pipeline.reconciling.comparing import WEEKLY, of_day, of_week
from coupon_pipeline.reconciling.day import Books
from coupon_pipeline.reconciling.reading import books, waiting_lines
from coupon_pipeline.reconciling.span import Span
from coupon_pipeline.sources.exports import plain_numbers
from coupon_pipeline.weeks import UnknownWeekError

TUESDAY = DAY + timedelta(days=1)
END = CALENDAR.decision_time(NEXT)


def read(shop: Shop, day: date = DAY, instant: datetime = END) -> Books:
    store = shop.closed().store
    return books(store.as_of(instant), shop.database, Span.of(store, day, instant), plain_numbers, plain_numbers)


def kinds(shop: Shop, day: date = DAY, instant: datetime = END) -> dict[str, int]:
    """The cents of each kind that has differences."""
    pipeline = shop.closed()
    found = of_day(pipeline.store, pipeline.source, shop.database, Span.of(pipeline.store, day, instant))
    return {kind.name: kind.cents for kind in found.kinds if kind.count}


def test_a_day_begins_and_ends_at_the_midnight_of_the_stores(shop: Shop) -> None:
    first = shop.redeem(1, 10)
    shop.clock.tick(18 * HOUR)
    assert from_epoch(shop.clock.now) == datetime(2025, 3, 11, 3)
    last = shop.redeem(2, 20, household=2)
    shop.sell(2, 20)
    shop.clock.tick(2 * HOUR)
    shop.redeem(3, 30, household=3)
    shop.sell(3, 30)
    shop.bill(3, 30)
    found = read(shop)
    assert found.redemptions["redemption_id"].to_pylist() == [first, last]
    assert found.redemptions["store_id"].to_pylist() == [int(STORE)] * 2
    assert found.lines["basket_id"].to_pylist() == [2]
    assert found.bills is not None
    assert found.bills.num_rows == 0
    assert read(shop, TUESDAY).redemptions["basket_id"].to_pylist() == [3]


def test_what_was_reversed_on_its_day_is_none_and_what_was_reversed_later_was_one(shop: Shop) -> None:
    shop.redeem(1, 10, key="same-day-key")
    shop.ledger.reverse("store-7", "undo-today", "same-day-key")
    later = shop.redeem(2, 20, household=2, key="next-day-key")
    shop.clock.tick(24 * HOUR)
    shop.ledger.reverse("store-7", "undo-later", "next-day-key")
    found = read(shop).redemptions
    assert found["redemption_id"].to_pylist() == [later]
    assert found["is_open"].to_pylist() == [False]
    assert read(shop, instant=CALENDAR.midnight(TUESDAY)).redemptions["is_open"].to_pylist() == [True]


def test_ledger_tills_and_export_agree_when_all_went_well(shop: Shop) -> None:
    for number, cents in enumerate((10, 20, 30), start=1):
        shop.redeem(number, cents, household=number)
        shop.sell(number, cents, other=5)
        shop.bill(number, cents + 5)
    shop.export()
    assert kinds(shop) == {}


def test_what_is_reversed_after_its_export_is_taken_back_there_too(shop: Shop) -> None:
    shop.redeem(1, 10, key="late-undone")
    shop.sell(1, 10)
    shop.export()
    shop.clock.tick(8 * 24 * HOUR)
    shop.ledger.reverse("store-7", "undo-later", "late-undone")
    assert kinds(shop) == {"exported_without_redemption": -10}
    shop.export()
    assert kinds(shop) == {}
    assert kinds(shop, instant=CALENDAR.decision_time(FIRST)) == {}


def test_what_waits_in_the_outbox_is_not_exported(shop: Shop) -> None:
    shop.redeem(1, 10)
    shop.sell(1, 10)
    assert kinds(shop) == {"not_exported": 10}


def test_a_line_that_is_known_late_is_missing_until_then(shop: Shop) -> None:
    shop.redeem(1, 10)
    shop.sell(1, 10, known=CALENDAR.opens_at(NEXT) + timedelta(hours=1))
    shop.export()
    assert kinds(shop, instant=CALENDAR.decision_time(FIRST)) == {"redeemed_without_discount": 10}
    assert kinds(shop) == {}


def test_a_till_that_was_offline_at_midnight_is_found_on_the_other_day(shop: Shop) -> None:
    shop.clock.tick(18 * HOUR)
    shop.sell(1, 10)
    shop.clock.tick(5 * HOUR)
    shop.redeem(1, 10)
    shop.export()
    pipeline = shop.closed()
    found = of_week(pipeline.store, pipeline.source, shop.database, FIRST)
    assert found.select(["day", "kind", "difference_cents", "other_day"]).to_pylist() == [
        {"day": DAY, "kind": "discount_without_redemption", "difference_cents": -10, "other_day": TUESDAY},
        {"day": TUESDAY, "kind": "redeemed_without_discount", "difference_cents": 10, "other_day": DAY},
    ]


def test_voided_lines_count_against_the_discount(shop: Shop) -> None:
    shop.sell(1, 10)
    shop.sell(1, 10, kind="void")
    shop.sell(2, 7, kind="return")
    assert kinds(shop) == {"discount_without_redemption": 7}


def test_lines_of_the_day_that_wait_in_quarantine_are_counted_once_they_came(shop: Shop) -> None:
    shop.set_aside(FIRST, "2025-03-10 12:00:00", "2025-03-11 12:00:00", "no time")
    shop.set_aside(NEXT, "2025-03-10 13:00:00")
    store = shop.closed().store
    assert waiting_lines(store, Span.of(store, DAY, CALENDAR.decision_time(FIRST))) == 1
    assert waiting_lines(store, Span.of(store, DAY)) == 2


def test_the_days_of_a_week_are_compared_as_known_at_its_end(shop: Shop) -> None:
    shop.redeem(1, 10)
    shop.clock.tick(24 * HOUR)
    shop.sell(2, 20)
    shop.export()
    pipeline = shop.closed()
    found = of_week(pipeline.store, pipeline.source, shop.database, FIRST)
    assert found.schema == WEEKLY
    assert found.select(["day", "kind", "difference_cents"]).to_pylist() == [
        {"day": DAY, "kind": "redeemed_without_discount", "difference_cents": 10},
        {"day": TUESDAY, "kind": "discount_without_redemption", "difference_cents": -20},
    ]
    assert of_week(pipeline.store, pipeline.source, shop.database, BEFORE).equals(WEEKLY.empty_table())


def test_a_day_from_before_the_ledger_or_outside_the_calendar_has_no_books(shop: Shop) -> None:
    with pytest.raises(UnknownWeekError, match="the ledger begins on 2025-03-10"):
        kinds(shop, DAY - timedelta(days=1))
    with pytest.raises(UnknownWeekError, match="give a day from 2025-03-03 to 2025-03-23"):
        Span.of(shop.pipeline.store, date(2025, 3, 24))


def test_texts_that_are_no_numbers_belong_to_no_till() -> None:
    assert plain_numbers(["12", "till-12", "", None, "9" * 19]) == [12, None, None, None, None]


def test_the_weekly_table_names_no_household() -> None:
    assert not {name for name in WEEKLY.names if "household" in name or "code" in name}
    assert pa.types.is_date32(WEEKLY.field("day").type)
