"""The store-local day that is reconciled, and the instant as of which."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from coupon_pipeline.tables import Store
from coupon_pipeline.weeks import UnknownWeekError

TILLS: Final = "pos_transactions"
"""The table of the tills' lines."""


@dataclass(frozen=True)
class Span:
    """A store-local day, as it was known just before an instant; instants are naive UTC."""

    opens_at: datetime
    closes_at: datetime
    instant: datetime
    week: str
    """The week that holds it."""

    @classmethod
    def of(cls, store: Store, day: date, instant: datetime | None = None) -> Span:
        """The span of a day, by default as known at the end of the tills' last clean week.

        Raises UnknownWeekError, and MissingWeekError where the tills have no clean week yet.
        """
        calendar = store.calendar
        week = (day - timedelta(days=day.weekday())).isoformat()
        if week not in calendar.weeks:
            last = calendar.last + timedelta(days=6)
            raise UnknownWeekError(
                f"day {day} is outside the calendar: give a day from {calendar.first} to {last}, as YYYY-MM-DD"
            )
        # A day whose own week is not clean yet is asked for as known at its end, which the reader then refuses.
        known = instant or calendar.decision_time(max(week, store.latest("clean", TILLS)))
        return cls(calendar.midnight(day), calendar.midnight(day + timedelta(days=1)), known, week)
