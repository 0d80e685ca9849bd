"""Billing periods from an anchor day."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.periods import Cycle, Period, by_days, paid_part, period_from


def starts(first: date, anchor_day: int, count: int) -> list[str]:
    found = []
    for _ in range(count):
        found.append(first.isoformat())
        period = period_from(first, anchor_day=anchor_day)
        assert period is not None
        first = period.end
    return found


def test_the_anchor_day_returns_after_a_short_month() -> None:
    """An anchor of 31 is the last day of shorter months, and 31 again where there is one."""
    assert ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30", "2026-05-31"] == starts(
        date(2026, 1, 31), 31, 5
    )


def test_a_start_between_anchors_begins_a_shorter_period() -> None:
    """It ends at the next anchor, and knows how long the whole one would be."""
    period = period_from(date(2023, 11, 20), anchor_day=1)

    assert Period(date(2023, 11, 20), date(2023, 12, 1), 30) == period


def test_the_last_day_of_a_subscription_is_in_its_last_period() -> None:
    """`ends_on` is inclusive; after it there is no period."""
    last = period_from(date(2023, 11, 1), anchor_day=1, ends_on=date(2023, 11, 15))

    assert Period(date(2023, 11, 1), date(2023, 11, 16), 30) == last
    assert None is period_from(date(2023, 11, 16), anchor_day=1, ends_on=date(2023, 11, 15))


def test_a_last_day_that_a_period_begins_with_is_a_period() -> None:
    """It is paid for: one day of thirty."""
    day = date(2023, 11, 1)

    assert Period(day, date(2023, 11, 2), 30) == period_from(day, anchor_day=1, ends_on=day)


@pytest.mark.parametrize(("start", "words"), [(1, ""), (16, ", 15 of 30 days")])
def test_a_short_period_is_told(start: int, words: str) -> None:
    """A whole one needs no words."""
    assert words == by_days(Period(date(2023, 11, start), date(2023, 12, 1), 30))


@given(
    st.dates(min_value=date(2000, 1, 1), max_value=date(2199, 12, 31)),
    st.integers(min_value=1, max_value=31),
)
def test_periods_follow_without_gap_and_are_months(start: date, anchor_day: int) -> None:
    """After the first one each period is whole, 28 to 31 days long, and ends on its anchor."""
    first = period_from(start, anchor_day=anchor_day)
    assert first is not None

    second = period_from(first.end, anchor_day=anchor_day)

    assert second is not None
    assert second.whole_days == second.days
    assert 28 <= second.days <= 31
    following = second.end + timedelta(days=1)
    assert second.end.day == anchor_day or following.day == 1


@pytest.mark.parametrize("end", [date(2023, 11, 1), date(2023, 12, 2)])
def test_impossible_periods_cannot_be_constructed(end: date) -> None:
    """A period has a day at least and no more days than its whole period."""
    with pytest.raises(ValueError, match="period"):
        Period(date(2023, 11, 1), end, 30)


@pytest.mark.parametrize(
    ("anchor", "months", "expected"),
    [
        (date(2026, 1, 31), 1, ["2026-02-28", "2026-03-31", "2026-04-30"]),
        (date(2025, 11, 30), 3, ["2026-02-28", "2026-05-30", "2026-08-30"]),
        (date(2024, 2, 29), 12, ["2025-02-28", "2026-02-28", "2027-02-28", "2028-02-29"]),
        (date(2026, 1, 1), 5, ["2026-06-01", "2026-11-01", "2027-04-01"]),
    ],
)
def test_longer_cycles_keep_their_months_and_their_day(
    anchor: date, months: int, expected: list[str]
) -> None:
    """A quarter, a year or five months from the anchor on; the anchor day returns."""
    cycle = Cycle.from_anchor(anchor, months=months)

    found = [anchor]
    for _ in expected:
        found.append(cycle.after(found[-1]))

    assert expected == [day.isoformat() for day in found[1:]]


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(1, 31), st.integers(1, 24))
def test_a_day_lies_in_exactly_one_period(day: date, anchor_day: int, months: int) -> None:
    """From the anchor at or before it, inclusive, to the one after it, exclusive."""
    cycle = Cycle(anchor_day, months, 5 % months)

    start, end = cycle.at_or_before(day), cycle.after(day)

    assert start <= day < end
    assert (start, end) == (cycle.at_or_before(start), cycle.after(start))


@pytest.mark.parametrize(
    ("starts_on", "trial_days", "first"),
    [
        ("2023-11-16", 0, "2023-11-16"),
        ("2023-11-16", 10, "2023-11-26"),
        ("2023-10-01", 7, "2023-11-01"),
        ("2023-11-16", 15, None),
    ],
)
def test_a_trial_is_free(starts_on: str, trial_days: int, first: str | None) -> None:
    """What is paid begins when the trial is over; the start day is paid where there is none."""
    whole = Period(date(2023, 11, 1), date(2023, 12, 1), 30)

    part = paid_part(whole, date.fromisoformat(starts_on), trial_days=trial_days)

    assert first == (part.start.isoformat() if part else None)
    assert part is None or (whole.end, whole.whole_days) == (part.end, part.whole_days)


@pytest.mark.parametrize(("anchor_day", "months"), [(0, 1), (32, 1), (1, 0)])
def test_bad_cycles_cannot_be_constructed(anchor_day: int, months: int) -> None:
    """An anchor is a day of a month, every so many months."""
    with pytest.raises(ValueError, match="cycle"):
        Cycle(anchor_day, months)
