"""Business time runs on from its origin and never goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.clock import (
    BusinessClock,
    from_epoch,
    to_epoch,
)

ORIGIN = datetime(2017, 5, 8, 4)
MINUTE = timedelta(minutes=1)


def test_without_an_origin_it_is_the_time_of_the_system() -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    assert before <= BusinessClock(None).now() <= datetime.now(UTC).replace(tzinfo=None)


def test_with_an_origin_it_starts_there_and_only_rises() -> None:
    clock = BusinessClock(ORIGIN)
    first, second = clock.now(), clock.now()
    assert ORIGIN <= first <= second < ORIGIN + MINUTE


def test_an_origin_with_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive UTC"):
        BusinessClock(datetime(2017, 5, 8, tzinfo=UTC))


def test_it_goes_on_from_a_later_origin_and_ignores_an_earlier_one() -> None:
    clock, later = BusinessClock(ORIGIN), ORIGIN + timedelta(days=7)
    clock.run_from(ORIGIN - timedelta(days=7))
    assert ORIGIN <= clock.now() < ORIGIN + MINUTE
    clock.run_from(later)
    first, second = clock.now(), clock.now()
    assert later <= first < second < later + MINUTE


def test_the_time_of_the_system_does_not_care_for_an_origin() -> None:
    clock = BusinessClock(None)
    clock.run_from(datetime(2999, 1, 1))
    assert clock.now() < datetime(2999, 1, 1)


def test_a_system_whose_clock_is_set_back_makes_it_stand_until_it_has_caught_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class SetBack(datetime):
        hours = 0

        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime(2025, 3, 10, 9, tzinfo=tz) - timedelta(hours=cls.hours)

    monkeypatch.setattr("coupon_pipeline.clock.datetime", SetBack)
    clock = BusinessClock(None)
    before = clock.now()
    SetBack.hours = 1
    assert clock.now() == before
    SetBack.hours = -1
    assert clock.now() == before + timedelta(hours=1)


@given(st.integers(min_value=0, max_value=253_402_300_799_999))
def test_instants_and_milliseconds_are_the_same_thing(milliseconds: int) -> None:
    assert to_epoch(from_epoch(milliseconds)) == milliseconds
    assert from_epoch(0) == datetime(1970, 1, 1)
    assert to_epoch(ORIGIN + timedelta(microseconds=999)) == to_epoch(ORIGIN) == 1_494_216_000_000
