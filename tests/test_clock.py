"""Business time runs on from its origin and never goes back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coupon_pipeline.clock import BusinessClock


def test_without_an_origin_it_is_the_time_of_the_system() -> None:
    before = datetime.now(UTC).replace(tzinfo=None)
    assert before <= BusinessClock(None).now() <= datetime.now(UTC).replace(tzinfo=None)


def test_with_an_origin_it_starts_there_and_only_rises() -> None:
    origin = datetime(2017, 5, 8, 4)
    clock = BusinessClock(origin)
    first, second = clock.now(), clock.now()
    assert origin <= first <= second < origin + timedelta(minutes=1)


def test_an_origin_with_a_time_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="naive UTC"):
        BusinessClock(datetime(2017, 5, 8, tzinfo=UTC))
