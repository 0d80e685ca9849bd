"""Spans of days that are compared: one and the one before it, or quarters in a row."""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise
from typing import Literal

MONTHS_OF_YEAR = 12
DAY = timedelta(days=1)
STEPS: dict[str, int] = {"month": 1, "quarter": 3, "year": 12}
Step = Literal["month", "quarter", "year"]
WINDOWS_MAX = 24


@dataclass(frozen=True, order=True)
class Window:
    """UTC days `[first, end)`, at least one."""

    first: date
    end: date

    def __post_init__(self) -> None:
        if self.first >= self.end:
            raise ValueError("a span holds at least a day")

    @property
    def days(self) -> int:
        return (self.end - self.first).days

    @property
    def months(self) -> int | None:
        """How many whole calendar months these days are; None if they are others."""
        if self.first.day != 1 or self.end.day != 1:
            return None
        return _month_number(self.end) - _month_number(self.first)

    def before(self) -> "Window":
        """Return as long a span that ends where this one begins: whole months before months."""
        if self.months is None:
            return Window(self.first - timedelta(days=self.days), self.first)
        return Window(_month(_month_number(self.first) - self.months), self.first)

    def year_before(self) -> "Window":
        """Return the same days of the year before; 28 February stands for 29 February."""
        return Window(_year_before(self.first), _year_before(self.end - DAY) + DAY)

    def share_of(self, other: "Window") -> Fraction:
        """Return which part of another span's days lies in this one."""
        common = min(self.end, other.end) - max(self.first, other.first)
        return Fraction(max(common.days, 0), other.days)


def steps_of(window: Window, step: Step) -> list[Window]:
    """Return a span cut into calendar months, quarters or years.

    Raises ValueError when it does not begin and end with one, or holds more than 24.
    """
    months = STEPS[step]
    numbers = range(_month_number(window.first), _month_number(window.end) + 1, months)
    whole = window.months is not None and window.months % months == 0
    if not whole or numbers[0] % months or len(numbers) > WINDOWS_MAX + 1:
        raise ValueError(f"the days are no whole calendar {step}s, or more than {WINDOWS_MAX}")
    return [Window(_month(one), _month(other)) for one, other in pairwise(numbers)]


def _month_number(day: date) -> int:
    return day.year * MONTHS_OF_YEAR + day.month - 1


def _month(number: int) -> date:
    return date(number // MONTHS_OF_YEAR, number % MONTHS_OF_YEAR + 1, 1)


def _year_before(day: date) -> date:
    is_leap_day = (day.month, day.day) == (2, 29)
    return day.replace(year=day.year - 1, day=28 if is_leap_day else day.day)
