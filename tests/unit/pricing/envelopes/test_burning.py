"""Burn rate in two windows, and a forecast that says when it does not know."""

from datetime import date, timedelta
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.envelopes.burning import (
    Burn,
    burn_rate,
    burns_too_fast,
    exhausted_on,
    forecast,
)
from tests.unit.pricing.envelopes.cases import dollars

MONDAY = date(2026, 3, 2)
START, END = date(2026, 3, 1), date(2026, 4, 1)


def days(first: date, amounts: list[int]) -> dict[date, Fraction]:
    return {first + timedelta(days=at): Fraction(amount) for at, amount in enumerate(amounts)}


def test_just_enough_is_one() -> None:
    """100 left for ten days, 10 a day: 1. Twice as much a day: 2."""
    daily = days(date(2026, 3, 15), [20, 20, 10, 10, 10, 10, 10, 10])
    today = date(2026, 3, 22)

    assert Burn(3, Fraction(1)) == burn_rate(
        daily, today=today, end=END, remaining=Fraction(100), days=3
    )
    assert (
        Fraction(100, 80)
        == burn_rate(daily, today=today, end=END, remaining=Fraction(100), days=8).rate
    )


def test_both_windows_have_to_agree() -> None:
    """A spike of a day, or a fast week that is over, alone is no alert."""
    fast, slow = Burn(1, Fraction(3)), Burn(7, Fraction(1))

    assert not burns_too_fast(fast, slow, Fraction(2))
    assert not burns_too_fast(slow, fast, Fraction(2))
    assert burns_too_fast(fast, fast, Fraction(2))


def test_nothing_left_burns() -> None:
    """Any spend is too much then; there is no rate to tell."""
    burn = burn_rate({}, today=MONDAY, end=END, remaining=Fraction(0), days=1)

    assert burn.rate is None
    assert burns_too_fast(burn, burn, Fraction(100))


def test_steady_days_go_on() -> None:
    """10 a day in March are 310, exactly, and 200 are used up on the 21st."""
    daily = days(date(2026, 2, 1), [10] * 38)  # up to March 10

    found = forecast(daily, start=START, today=date(2026, 3, 10), end=END)

    assert found is not None
    assert dollars(310, 310, 310) == (found.p10, found.p50, found.p90)
    assert date(2026, 3, 21) == _exhausted(daily, date(2026, 3, 10), 200)


def _exhausted(
    daily: dict[date, Fraction], today: date, limit: int, end: date = END
) -> date | None:
    return exhausted_on(daily, start=START, today=today, end=end, limit=Fraction(limit))


def test_weekends_are_not_workdays() -> None:
    """Four weeks of five days of 10: the days to come are shaped like that."""
    week = [10, 10, 10, 10, 10, 0, 0]
    daily = days(MONDAY - timedelta(days=28), week * 4 + [10] * 5)  # up to Friday, March 6
    today, end = date(2026, 3, 6), date(2026, 3, 10)

    found = forecast(daily, start=START, today=today, end=end)

    assert found is not None
    assert 50 + 10 == found.p50
    assert _exhausted(daily, today, 1_000, end) is None


def test_uneven_days_have_a_range() -> None:
    """What differs from day to day is not known to the dollar."""
    daily = days(date(2026, 2, 1), [5, 20, 10, 1, 30] * 7)

    found = forecast(daily, start=START, today=date(2026, 3, 7), end=END)

    assert found is not None
    assert found.p10 < found.p50 < found.p90
    assert date(2026, 3, 7) == _exhausted(daily, date(2026, 3, 7), 1)


def test_too_little_history_is_no_forecast() -> None:
    """19 days say nothing of weekdays."""
    daily = days(date(2026, 2, 20), [10] * 19)

    assert forecast(daily, start=START, today=date(2026, 3, 10), end=END) is None
    assert _exhausted(daily, date(2026, 3, 10), 9) is None


@given(st.lists(st.integers(0, 100), min_size=20, max_size=60))
def test_the_middle_is_never_below_what_was_used(amounts: list[int]) -> None:
    """A period does not come to less than it has come to."""
    daily = days(date(2026, 3, 10) - timedelta(days=len(amounts) - 1), amounts)
    today = date(2026, 3, 10)
    so_far = sum(spent for day, spent in daily.items() if day >= START)

    found = forecast(daily, start=START, today=today, end=END)

    if found is not None:
        assert so_far <= found.p10 <= found.p50 <= found.p90
