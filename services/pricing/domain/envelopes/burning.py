"""How fast a ledger is used, and where that ends: burn rate in two windows, forecast with a range.

As with error budgets, an alert needs a long and a short window to agree: the long one says that it
matters, the short one that it is still so. Source: Google, Site Reliability Workbook, chapter 5.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

HISTORY_DAYS_MIN = 20
"""Fewer days tell nothing of a weekday: there is no forecast then."""
Z_OF_P90 = Fraction("1.2816")
"""The standard normal quantile of 0.9."""
WEEK = 7

Daily = Mapping[date, Fraction]
"""UTC day -> what was used on it; a day that is missing had nothing."""


@dataclass(frozen=True)
class Burn:
    """Spend of a window against what may be spent a day until the end; 1 is just enough."""

    days: int
    rate: Fraction | None
    """None where nothing is left, or no time: any spend is too fast."""


@dataclass(frozen=True)
class Forecast:
    """What the whole period comes to, US dollars.

    The range says in how many of ten cases less is used, if days to come are like days that were.
    """

    p10: Fraction
    p50: Fraction
    p90: Fraction


def burn_rate(daily: Daily, *, today: date, end: date, remaining: Fraction, days: int) -> Burn:
    """Return how fast the last `days` days (today with them) used what remained for the rest.

    `end` is exclusive; `remaining` is what the ledger has left now.
    """
    window = [today - timedelta(days=back) for back in range(days)]
    a_day = sum((daily.get(day, Fraction(0)) for day in window), Fraction(0)) / days
    left = (end - today).days
    if remaining <= 0 or left <= 0:
        return Burn(days, None)
    return Burn(days, a_day / (remaining / left))


def burns_too_fast(short: Burn, long: Burn, threshold: Fraction) -> bool:
    """Tell whether both windows are above a threshold; nothing left counts as above."""
    return all(burn.rate is None or burn.rate > threshold for burn in (short, long))


def forecast(daily: Daily, *, start: date, today: date, end: date) -> Forecast | None:
    """Return what days `[start, end)` come to, today being the last that is known whole.

    From up to eight weeks of history: the mean day, shaped by weekdays, for each day to come; its
    range from how far days were from that. None below HISTORY_DAYS_MIN days of history.
    """
    history = _history(daily, today)
    if len(history) < HISTORY_DAYS_MIN:
        return None
    expected = _expected(history)
    to_come = _to_come(today, end)
    so_far = _so_far(daily, start, today)
    middle = so_far + sum((expected[day.weekday()] for day in to_come), Fraction(0))
    spread = Z_OF_P90 * _root(_variance(history, expected) * len(to_come))
    return Forecast(p10=max(middle - spread, so_far), p50=middle, p90=middle + spread)


def exhausted_on(
    daily: Daily, *, start: date, today: date, end: date, limit: Fraction
) -> date | None:
    """Return the first day at whose end the middle case of the same forecast is above a limit.

    The limit is that of now: with raises, less what is repaid. None: not in this period, or not
    enough history to tell.
    """
    history = _history(daily, today)
    if len(history) < HISTORY_DAYS_MIN:
        return None
    expected = _expected(history)
    so_far = _so_far(daily, start, today)
    if so_far > limit:
        return today
    for day in _to_come(today, end):
        so_far += expected[day.weekday()]
        if so_far > limit:
            return day
    return None


def _to_come(today: date, end: date) -> list[date]:
    return [today + timedelta(days=ahead) for ahead in range(1, (end - today).days)]


def _so_far(daily: Daily, start: date, today: date) -> Fraction:
    return sum((spent for day, spent in daily.items() if start <= day <= today), Fraction(0))


def _history(daily: Daily, today: date) -> dict[date, Fraction]:
    """Return each day from the first with spend, at most eight weeks back, zeros included."""
    first = max(min(daily, default=today), today - timedelta(days=8 * WEEK - 1))
    days = [first + timedelta(days=ahead) for ahead in range((today - first).days + 1)]
    return {day: daily.get(day, Fraction(0)) for day in days}


def _expected(history: Mapping[date, Fraction]) -> list[Fraction]:
    """Return what a day of each weekday uses, Monday first."""
    by_weekday: list[list[Fraction]] = [[] for _ in range(WEEK)]
    for day, spent in history.items():
        by_weekday[day.weekday()].append(spent)
    return [sum(days, Fraction(0)) / len(days) for days in by_weekday]


def _variance(history: Mapping[date, Fraction], expected: Sequence[Fraction]) -> Fraction:
    squares = [(spent - expected[day.weekday()]) ** 2 for day, spent in history.items()]
    return sum(squares, Fraction(0)) / max(len(squares) - WEEK, 1)


def _root(value: Fraction) -> Fraction:
    """Return a square root to 28 digits: a range is an estimate, and exact enough with them."""
    with localcontext() as context:
        context.prec = 28
        return Fraction((Decimal(value.numerator) / Decimal(value.denominator)).sqrt())
