"""Weeks that start on Monday, the calendar of a source, and the decision time that closes each week."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

WEEK = timedelta(days=7)


class UnknownWeekError(ValueError):
    """A week that the source's calendar does not have."""


@dataclass(frozen=True)
class Calendar:
    """The weeks of one source, named by their first day, in the time zone of its stores."""

    first: date
    last: date
    timezone: str

    @property
    def weeks(self) -> tuple[str, ...]:
        """All week names, oldest first."""
        count = (self.last - self.first) // WEEK + 1
        return tuple((self.first + n * WEEK).isoformat() for n in range(count))

    def check(self, week: str) -> str:
        """`week` itself; raises UnknownWeekError unless the calendar has it."""
        if week not in self.weeks:
            raise UnknownWeekError(
                f"week {week!r} is outside the calendar: give a Monday from {self.first} to {self.last}, as YYYY-MM-DD"
            )
        return week

    def between(self, first: str, last: str) -> tuple[str, ...]:
        """The weeks from `first` to `last`, both included."""
        return tuple(week for week in self.weeks if self.check(first) <= week <= self.check(last))

    def midnight(self, day: date) -> datetime:
        """The first instant of a store-local day, as naive UTC."""
        return datetime.combine(day, time(), ZoneInfo(self.timezone)).astimezone(UTC).replace(tzinfo=None)

    def local_day(self, instant: datetime) -> date:
        """The store-local day of a naive UTC instant."""
        return instant.replace(tzinfo=UTC).astimezone(ZoneInfo(self.timezone)).date()

    def opens_at(self, week: str) -> datetime:
        """The first instant of a week, naive UTC."""
        return self.midnight(date.fromisoformat(week))

    def decision_time(self, week: str) -> datetime:
        """D of the cycle `week`: the first instant of the next week, naive UTC."""
        return self.midnight(date.fromisoformat(week) + WEEK)

    def known_before(self, instant: datetime) -> tuple[str, ...]:
        """The weeks that can hold rows known before `instant`: those that opened before it."""
        return tuple(week for week in self.weeks if self.opens_at(week) < instant)
