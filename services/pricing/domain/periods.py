"""Billing periods: months from an anchor day, in UTC days, start inclusive, end exclusive."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar

MONTHS_OF_YEAR = 12
ANCHOR_DAY_MAX = 31


@dataclass(frozen=True)
class Period:
    """`[start, end)`; `whole_days` are the days of the anchor period that it is (a part of)."""

    due: ClassVar[bool] = True
    """Whether what is due by days is due for these days."""

    start: date
    end: date
    whole_days: int

    def __post_init__(self) -> None:
        if not 1 <= self.days <= self.whole_days:
            raise ValueError("a period holds at least a day and at most its whole period")

    @property
    def days(self) -> int:
        return (self.end - self.start).days

    @property
    def share(self) -> Fraction:
        """Which part of its whole period this is, by days; 1 unless it was cut short."""
        return _share(self.days if self.due else 0, self.whole_days)

    @property
    def last_day(self) -> date:
        """The last day, inclusive."""
        return self.end - timedelta(days=1)


@lru_cache(maxsize=10_000)
def _share(days: int, whole_days: int) -> Fraction:
    return Fraction(days, whole_days)


@dataclass(frozen=True)
class UnpaidPeriod(Period):
    """Days for which nothing is due by days: of a pause, of a trial."""

    due: ClassVar[bool] = False


def by_days(period: Period) -> str:
    """Return the words for a period that was cut short, nothing for a whole one."""
    whole = period.days == period.whole_days
    return "" if whole else f", {period.days} of {period.whole_days} days"


def anchor_of(year: int, month: int, anchor_day: int) -> date:
    """Return the anchor of a month: the anchor day, or the month's last day if it has none such."""
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))


@dataclass(frozen=True)
class Cycle:
    """An anchor each `months` months; `phase` tells which months, counted from the year 0.

    `anchor_day` is the day of the month, from 1 to 31; the last day of a shorter month, and the
    anchor day again in the next longer one.
    """

    anchor_day: int
    months: int = 1
    phase: int = 0

    def __post_init__(self) -> None:
        if not 1 <= self.anchor_day <= ANCHOR_DAY_MAX or self.months < 1:
            raise ValueError("a cycle has an anchor day from 1 to 31 and at least a month")

    @classmethod
    def from_anchor(cls, anchor: date, *, months: int) -> "Cycle":
        """Return the cycle that has an anchor on this day."""
        return cls(anchor.day, months, _month_of(anchor) % months)

    def at_or_before(self, day: date) -> date:
        """Return the latest anchor that is not after `day`."""
        anchor = self._anchor_of(_month_of(day))
        return anchor if anchor <= day else self._anchor_of(_month_of(day) - self.months)

    def after(self, day: date) -> date:
        """Return the first anchor after `day`."""
        anchor = self._anchor_of(_month_of(day))
        return anchor if anchor > day else self._anchor_of(_month_of(day) + self.months)

    def _anchor_of(self, month: int) -> date:
        """Return the anchor of the cycle's month that holds or precedes a month."""
        year, number = divmod(month - (month - self.phase) % self.months, MONTHS_OF_YEAR)
        return anchor_of(year, number + 1, self.anchor_day)


def _month_of(day: date) -> int:
    return day.year * MONTHS_OF_YEAR + day.month - 1


def period_from(start: date, *, anchor_day: int, ends_on: date | None = None) -> Period | None:
    """Return the monthly period that begins on `start`; None when the subscription ended before."""
    return period_of(Cycle(anchor_day), start, ends_on=ends_on)


def period_of(cycle: Cycle, start: date, *, ends_on: date | None = None) -> Period | None:
    """Return the period that begins on `start`; None when the subscription ended before.

    `ends_on` is the subscription's last day, inclusive. A start between two anchors begins a
    shorter period that ends at the next anchor.
    """
    if ends_on is not None and start > ends_on:
        return None
    end = cycle.after(start)
    whole_days = (end - cycle.at_or_before(start)).days
    if ends_on is not None:
        end = min(end, ends_on + timedelta(days=1))
    return Period(start, end, whole_days)


def paid_part(period: Period, starts_on: date, *, trial_days: int) -> Period | None:
    """Return the part of a period from the start of a subscription on, less its trial.

    None when no day of it is paid.
    """
    first = max(period.start, starts_on + timedelta(days=trial_days))
    return Period(first, period.end, period.whole_days) if first < period.end else None
