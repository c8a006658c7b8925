"""Instants of a week in the stores' time zone, as naive UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import numpy as np


def instant(day: date, at: time, timezone: str) -> np.datetime64:
    """A store-local moment as naive UTC, datetime64[us]."""
    local = datetime.combine(day, at, ZoneInfo(timezone))
    return np.datetime64(local.astimezone(UTC).replace(tzinfo=None), "us")


def instants(monday: date, days: np.ndarray, seconds: np.ndarray, timezone: str) -> np.ndarray:
    """Moments of a week as naive UTC, datetime64[us] [n]: days 0..6 from `monday`, seconds since midnight.

    The offset is that of the day's noon: the clocks change at night, when the shops are closed.
    """
    noons = np.array([instant(monday + timedelta(days=n), time(12), timezone) for n in range(7)])
    midnights = noons - np.timedelta64(12, "h")
    return midnights[days] + np.asarray(seconds).astype("timedelta64[s]")
