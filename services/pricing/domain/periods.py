"""Billing periods: months from an anchor day, in UTC days, start inclusive, end exclusive."""

from calendar import monthrange
from dataclasses import dataclass
from datetime import date, timedelta

MONTHS_OF_YEAR = 12


@dataclass(frozen=True)
class Period:
    """`[start, end)`; `whole_days` are the days of the anchor period that it is (a part of)."""

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
    def last_day(self) -> date:
        """The last day, inclusive."""
        return self.end - timedelta(days=1)


def anchor_of(year: int, month: int, anchor_day: int) -> date:
    """Return the anchor of a month: the anchor day, or the month's last day if it has none such."""
    return date(year, month, min(anchor_day, monthrange(year, month)[1]))


def anchor_at_or_before(day: date, anchor_day: int) -> date:
    """Return the latest anchor that is not after `day`."""
    anchor = anchor_of(day.year, day.month, anchor_day)
    return anchor if anchor <= day else _anchor_in(day, -1, anchor_day)


def anchor_after(day: date, anchor_day: int) -> date:
    """Return the first anchor after `day`."""
    anchor = anchor_of(day.year, day.month, anchor_day)
    return anchor if anchor > day else _anchor_in(day, 1, anchor_day)


def _anchor_in(day: date, months: int, anchor_day: int) -> date:
    year, month = divmod(day.year * MONTHS_OF_YEAR + day.month - 1 + months, MONTHS_OF_YEAR)
    return anchor_of(year, month + 1, anchor_day)


def period_from(start: date, *, anchor_day: int, ends_on: date | None = None) -> Period | None:
    """Return the period that begins on `start`; None when the subscription ended before.

    `ends_on` is the subscription's last day, inclusive. A start between two anchors begins a
    shorter period that ends at the next anchor.
    """
    if ends_on is not None and start > ends_on:
        return None
    end = anchor_after(start, anchor_day)
    whole_days = (end - anchor_at_or_before(start, anchor_day)).days
    if ends_on is not None:
        end = min(end, ends_on + timedelta(days=1))
    return Period(start, end, whole_days)
