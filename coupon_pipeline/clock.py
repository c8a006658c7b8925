"""Business time: the only clock of the service, the system's own or one that starts in the years of a data set."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta


class BusinessClock:
    """Tells naive UTC: the system's time, or `origin` (naive UTC) plus the time since this clock was made."""

    def __init__(self, origin: datetime | None) -> None:
        if origin is not None and origin.tzinfo is not None:
            raise ValueError(f"the clock's origin {origin} has a time zone: give it as naive UTC")
        self._origin = origin
        self._started = time.monotonic()

    def now(self) -> datetime:
        """The present instant, naive UTC; with an origin it never goes back."""
        if self._origin is None:
            return datetime.now(UTC).replace(tzinfo=None)
        return self._origin + timedelta(seconds=time.monotonic() - self._started)
