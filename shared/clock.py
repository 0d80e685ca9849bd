"""Time as a dependency: UTC, injected, replaceable by a frozen clock in tests."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Tells the time in UTC. Logic asks a clock; it never reads the machine's time itself."""

    def now(self) -> datetime:
        """Return the current instant, time zone UTC, microseconds kept."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass
class FrozenClock:
    """A clock that moves only when told to."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant

    def advance(self, step: timedelta) -> None:
        self.instant += step


def utc_day(instant: datetime) -> date:
    """Return the UTC day that holds `instant`; a naive instant is a programming error."""
    if instant.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return instant.astimezone(UTC).date()


def day_start(day: date) -> datetime:
    """Return 00:00 UTC of `day`, the inclusive start of it."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
