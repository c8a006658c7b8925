"""Instants are written on the stores' clocks, across the change of daylight-saving time; amounts to the cent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coupon_pipeline.simulation.feeds.text import dollars, local_days, with_offset

INSTANTS = st.lists(
    st.datetimes(datetime(1990, 1, 1), datetime(2037, 12, 31)).map(lambda at: at.replace(microsecond=0))
)


def as_column(instants: list[datetime]) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(instants, pa.timestamp("us"))])


@given(INSTANTS, st.sampled_from(["America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]))
def test_says_the_same_as_the_standard_library(instants: list[datetime], timezone: str) -> None:
    local = [at.replace(tzinfo=UTC).astimezone(ZoneInfo(timezone)) for at in instants]
    assert with_offset(as_column(instants), timezone).to_pylist() == [at.isoformat() for at in local]
    assert local_days(as_column(instants), timezone).tolist() == [at.date() for at in local]


def test_changes_the_offset_within_a_day() -> None:
    before = datetime(2025, 3, 9, 6, 59, 59)
    written = with_offset(as_column([before, before + timedelta(seconds=1)]), "America/New_York")
    assert written.to_pylist() == ["2025-03-09T01:59:59-05:00", "2025-03-09T03:00:00-04:00"]


@pytest.mark.parametrize(
    ("cents", "text"), [(0, "0.00"), (5, "0.05"), (1234, "12.34"), (-5, "-0.05"), (-1200, "-12.00"), (100, "1.00")]
)
def test_writes_dollars(cents: int, text: str) -> None:
    assert dollars(pa.chunked_array([pa.array([cents], pa.int64())])).to_pylist() == [text]
