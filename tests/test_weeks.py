"""Weeks start on Monday in the stores' time zone, and a week is closed by the first instant of the next."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.weeks import Calendar, UnknownWeekError

YEAR = Calendar(date(2016, 12, 26), date(2017, 12, 25), "America/New_York")
INSTANT = timedelta(microseconds=1)
DAYS = st.dates(date(2000, 1, 1), date(2040, 12, 31))


def test_a_calendar_names_each_week_by_its_monday_oldest_first() -> None:
    assert len(YEAR.weeks) == 53
    assert YEAR.weeks[:2] == ("2016-12-26", "2017-01-02")
    assert YEAR.weeks[-1] == "2017-12-25"


def test_a_calendar_of_one_week_has_one_week() -> None:
    assert Calendar(date(2017, 5, 1), date(2017, 5, 1), "UTC").weeks == ("2017-05-01",)


@pytest.mark.parametrize("week", ["2017-01-03", "2016-12-19", "2018-01-01", "2017-1-2", "week 1", ""])
def test_a_week_that_the_calendar_lacks_is_refused_with_the_weeks_that_it_has(week: str) -> None:
    with pytest.raises(UnknownWeekError) as refused:
        YEAR.check(week)
    assert str(refused.value) == (
        f"week {week!r} is outside the calendar: give a Monday from 2016-12-26 to 2017-12-25, as YYYY-MM-DD"
    )


def test_a_week_of_the_calendar_passes_the_check_unchanged() -> None:
    assert YEAR.check("2017-05-01") == "2017-05-01"


def test_a_range_holds_both_of_its_ends() -> None:
    assert YEAR.between("2017-01-02", "2017-01-16") == ("2017-01-02", "2017-01-09", "2017-01-16")
    assert YEAR.between("2017-01-02", "2017-01-02") == ("2017-01-02",)


def test_a_range_that_runs_backwards_is_empty() -> None:
    assert YEAR.between("2017-01-16", "2017-01-02") == ()


@pytest.mark.parametrize(("first", "last"), [("2016-12-19", "2017-01-02"), ("2017-01-02", "2018-01-01")])
def test_a_range_that_leaves_the_calendar_is_refused(first: str, last: str) -> None:
    with pytest.raises(UnknownWeekError):
        YEAR.between(first, last)


@pytest.mark.parametrize(
    ("week", "decided_at"),
    [
        ("2016-12-26", datetime(2017, 1, 2, 5)),
        ("2017-05-01", datetime(2017, 5, 8, 4)),
        ("2017-12-25", datetime(2018, 1, 1, 5)),
    ],
)
def test_a_cycle_decides_at_midnight_in_new_york_after_its_week(week: str, decided_at: datetime) -> None:
    assert YEAR.decision_time(week) == decided_at


@pytest.mark.parametrize(
    ("week", "opens", "closes", "hours"),
    [
        ("2017-03-06", datetime(2017, 3, 6, 5), datetime(2017, 3, 13, 4), 167),
        ("2017-10-30", datetime(2017, 10, 30, 4), datetime(2017, 11, 6, 5), 169),
    ],
)
def test_a_week_in_which_the_clocks_change_is_an_hour_shorter_or_longer(
    week: str, opens: datetime, closes: datetime, hours: int
) -> None:
    assert (YEAR.opens_at(week), YEAR.decision_time(week)) == (opens, closes)
    assert closes - opens == timedelta(hours=hours)


def test_weeks_follow_each_other_without_a_gap() -> None:
    for week, following in pairwise(YEAR.weeks):
        assert YEAR.decision_time(week) == YEAR.opens_at(following)


@given(day=DAYS, zone=st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Kolkata", "UTC"]))
def test_a_store_day_begins_at_its_midnight_and_not_before(day: date, zone: str) -> None:
    calendar = Calendar(YEAR.first, YEAR.last, zone)
    midnight = calendar.midnight(day)
    assert midnight.tzinfo is None
    assert calendar.local_day(midnight) == day
    assert calendar.local_day(midnight - INSTANT) == day - timedelta(days=1)


def test_a_week_is_not_known_at_its_opening_but_an_instant_later() -> None:
    opening = YEAR.opens_at("2017-01-09")
    assert YEAR.known_before(opening) == ("2016-12-26", "2017-01-02")
    assert YEAR.known_before(opening + INSTANT) == ("2016-12-26", "2017-01-02", "2017-01-09")


def test_in_mid_week_the_running_week_can_hold_known_rows() -> None:
    assert YEAR.known_before(datetime(2017, 1, 5, 12))[-1] == "2017-01-02"


def test_a_cycle_knows_its_own_week_and_none_after() -> None:
    assert YEAR.known_before(YEAR.decision_time("2017-05-01"))[-1] == "2017-05-01"


def test_nothing_is_known_before_the_calendar_starts_and_all_after_it_ends() -> None:
    assert YEAR.known_before(YEAR.opens_at(YEAR.weeks[0])) == ()
    assert YEAR.known_before(datetime(2030, 1, 1)) == YEAR.weeks
