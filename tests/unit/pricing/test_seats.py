"""Seats over a period."""

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.periods import UnpaidPeriod
from services.pricing.domain.seats import SeatChange, Seats, days_left
from tests.support.pricing_values import NOVEMBER

CHANGES = st.lists(
    st.builds(
        SeatChange,
        st.dates(date(2023, 10, 15), date(2023, 12, 15)),
        st.integers(-3, 3),
        st.sampled_from(["", "premium"]),
    ),
    max_size=5,
)


@pytest.mark.parametrize(
    ("day", "days"),
    [((2023, 10, 1), 30), ((2023, 11, 1), 30), ((2023, 11, 30), 1), ((2023, 12, 1), 0)],
)
def test_a_day_and_those_after_it_are_left(day: tuple[int, int, int], days: int) -> None:
    """The day itself is included, the end of the period is not."""
    assert days == days_left(date(*day), NOVEMBER)


@given(st.integers(0, 50), CHANGES)
def test_what_is_paid_lies_between_the_start_and_all_that_were_added(
    initial: int, changes: list[SeatChange]
) -> None:
    """Removals never lower a period, additions never cost more than a whole one."""
    seats = Seats({"": initial}, tuple(changes))

    assert initial <= seats.paid_periods("", NOVEMBER) <= seats.count("")


@given(st.integers(0, 50), CHANGES)
def test_the_order_of_changes_is_nothing(initial: int, changes: list[SeatChange]) -> None:
    """Seats are the same, and hashed the same, however their changes are listed."""
    one, other = (Seats({"": initial}, tuple(c)) for c in (changes, changes[::-1]))

    assert one.paid_periods("", NOVEMBER) == other.paid_periods("", NOVEMBER)
    assert one.content() == other.content()


def test_one_number_is_hashed_as_one_number() -> None:
    """Subscriptions that only count seats keep the hashes that they had."""
    assert [25, 0] == [Seats.of(25).content(), Seats().content()]


def test_changes_and_classes_are_hashed_by_name() -> None:
    """A change alone is in the hash, and a class alone; statements that were issued carry both."""
    added = SeatChange(date(2023, 11, 16), 1)

    assert [
        {"initial": {"": 2}, "changes": [(added.day, 1, "")]},
        {"initial": {"": 2, "premium": 1}, "changes": []},
    ] == [Seats({"": 2}, (added,)).content(), Seats({"": 2, "premium": 1}).content()]


def test_a_class_that_nobody_has_pays_nothing() -> None:
    """Until one is added: then it pays from its day on."""
    none, one = Seats.of(3), Seats({"": 3}, (SeatChange(date(2023, 11, 16), 1, "premium"),))

    assert [0, 1] == [seats.count("premium") for seats in (none, one)]
    assert [0, Fraction(1, 2)] == [seats.paid_periods("premium", NOVEMBER) for seats in (none, one)]


def test_days_that_are_not_due_are_paid_by_nobody() -> None:
    """Neither by the seats that were there, nor by one that comes in a pause."""
    paused = UnpaidPeriod(NOVEMBER.start, NOVEMBER.end, 30)
    seats = Seats({"": 3}, (SeatChange(date(2023, 11, 16), 1),))

    assert 0 == days_left(date(2023, 11, 16), paused)
    assert 0 == seats.paid_periods("", paused)


def test_a_change_of_no_seats_is_none() -> None:
    """It neither adds nor removes, so no step tells of it."""
    seats = Seats({"": 3}, (SeatChange(date(2023, 11, 16), 0),))

    assert ([], []) == (list(seats.added("")), list(seats.removed("")))


def test_paying_whole_periods_for_added_seats_would_be_caught() -> None:
    """A seat added on the 16th of thirty days is half a seat."""
    seats = Seats({"": 1}, (SeatChange(date(2023, 11, 16), 1),))

    assert Fraction(seats.count("")) != seats.paid_periods("", NOVEMBER)


def test_seats_below_zero_cannot_be_constructed() -> None:
    """Seats are counted."""
    with pytest.raises(ValueError, match="from 0"):
        Seats({"": -1})
