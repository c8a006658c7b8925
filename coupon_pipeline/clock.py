"""Business time: the only clock of the service, the system's own or one that starts in the years of a data set."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1)
MILLISECOND: Final = timedelta(milliseconds=1)


class BusinessClock:
    """Tells naive UTC and never goes back: the system's time, or `origin` (naive UTC) plus the time since then."""

    def __init__(self, origin: datetime | None, started: float | None = None) -> None:
        """`started` is when `origin` was, by `time.monotonic`; by default it is this moment."""
        if origin is not None and origin.tzinfo is not None:
            raise ValueError(f"the clock's origin {origin} has a time zone: give it as naive UTC")
        self._lock = threading.Lock()
        self._origin, self._started = origin, time.monotonic() if started is None else started
        self._latest = datetime.min

    def now(self) -> datetime:
        """The present instant, naive UTC."""
        with self._lock:
            self._latest = max(self._latest, self._told())
            return self._latest

    def milliseconds(self) -> int:
        """The present instant, in epoch milliseconds."""
        return to_epoch(self.now())

    def run_from(self, origin: datetime) -> None:
        """Go on from `origin` (naive UTC) if it lies ahead; a clock that tells the system's time does not care."""
        with self._lock:
            if self._origin is not None and origin > self._told():
                self._origin, self._started = origin, time.monotonic()

    def _told(self) -> datetime:
        if self._origin is None:
            return datetime.now(UTC).replace(tzinfo=None)
        return self._origin + timedelta(seconds=time.monotonic() - self._started)


def to_epoch(instant: datetime) -> int:
    """Epoch milliseconds of a naive UTC instant, rounded down."""
    return (instant - EPOCH) // MILLISECOND


def from_epoch(milliseconds: int) -> datetime:
    """The naive UTC instant of epoch milliseconds; raises OverflowError beyond the year 9999."""
    return EPOCH + milliseconds * MILLISECOND
