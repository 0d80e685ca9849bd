"""Seats of a subscription over time: what each stretch of a period pays for."""

from datetime import date

import pytest

from services.pricing.domain.periods import Period
from services.pricing.domain.seats import ANY_CLASS, SeatChange
from services.pricing.domain.subscription.changes import ChoosePlan, Pause, Resume, SetSeats
from tests.support.pricing_values import NOVEMBER
from tests.support.subscription_values import changed, day


def test_seats_over_time() -> None:
    """Added seats pay from their day; removed ones to the end, so one that comes back adds none."""
    told = changed(
        (day(10), SetSeats(3)),
        (day(16), SetSeats(5)),
        (day(20), SetSeats(6)),
        (day(20), SetSeats(7)),
        (day(25), SetSeats(1)),
    )

    (stretch,) = told.stretches(NOVEMBER)
    december = Period(date(2023, 12, 1), date(2024, 1, 1), 31)
    assert (
        SeatChange(day(10), -2),
        SeatChange(day(20), 2),
        SeatChange(day(25), -6),
    ) == stretch.seats.changes
    assert [{ANY_CLASS: 1}] == [s.seats.initial for s in told.stretches(december)]


def test_seats_that_were_removed_before_a_split_are_still_paid_after_it() -> None:
    """A split does not shorten the period that removed seats are paid for."""
    told = changed((day(10), SetSeats(3)), (day(16), ChoosePlan("demo", "business")))

    assert [5, 5] == [s.seats.count(ANY_CLASS) for s in told.stretches(NOVEMBER)]


def test_seats_of_a_trial_or_a_pause_are_not_kept() -> None:
    """Seats that were removed on days that are not due have nothing to be paid to the end."""
    told = changed((day(10), SetSeats(3)), trial_days=14)

    assert [5, 3] == [s.seats.count(ANY_CLASS) for s in told.stretches(NOVEMBER)]


@pytest.mark.parametrize(
    ("before", "within", "comes_to"),
    [
        # Removed in the pause: not kept.
        ((), (3,), 3),
        # Removed before it: paid to the end, pause or not.
        ((3,), (), 5),
        # Of two that went before the pause and one that goes in it, the two are kept.
        ((3,), (2,), 4),
        # Those that come in the pause and stay are paid from its end on; those that go again, not.
        ((), (7,), 7),
        ((), (7, 5), 5),
        ((3,), (4,), 5),
        # One that goes on the day before the pause goes before it.
        ((5, 5, 5, 5, 5, 5, 5, 3), (2,), 4),
    ],
)
def test_seats_that_are_removed_in_a_pause(
    before: tuple[int, ...], within: tuple[int, ...], comes_to: int
) -> None:
    """What is due after a pause are the seats that were kept before it, less those it removed."""
    told = changed(
        *((day(2 + n), SetSeats(count)) for n, count in enumerate(before)),
        (day(10), Pause()),
        *((day(10 + n), SetSeats(count)) for n, count in enumerate(within)),
        (day(20), Resume()),
    )

    assert comes_to == told.stretches(NOVEMBER)[-1].seats.initial[ANY_CLASS]


def test_seats_by_class() -> None:
    """Classes are counted apart."""
    told = changed((day(1), SetSeats(2, "admin")), (day(16), SetSeats(4, "admin")))

    (stretch,) = told.stretches(NOVEMBER)
    assert {ANY_CLASS: 5, "admin": 2} == stretch.seats.initial
    assert (SeatChange(day(16), 2, "admin"),) == stretch.seats.changes


def test_a_class_that_comes_later_is_not_there_before() -> None:
    """It is paid from its day on; seats of it that go again are told with their class."""
    told = changed((day(16), SetSeats(4, "admin")), (day(20), SetSeats(1, "admin")))

    (stretch,) = told.stretches(NOVEMBER)
    assert {ANY_CLASS: 5} == stretch.seats.initial
    assert (SeatChange(day(16), 4, "admin"), SeatChange(day(20), -3, "admin")) == (
        stretch.seats.changes
    )


def test_every_class_is_there_in_a_pause_and_after_it() -> None:
    """Admins that went before the pause are paid to the end, like any other."""
    told = changed(
        (day(1), SetSeats(2, "admin")),
        (day(5), SetSeats(1, "admin")),
        (day(10), Pause()),
        (day(20), Resume()),
    )

    assert [{ANY_CLASS: 5, "admin": 2}, {ANY_CLASS: 5, "admin": 1}, {ANY_CLASS: 5, "admin": 2}] == [
        stretch.seats.initial for stretch in told.stretches(NOVEMBER)
    ]


def test_seats_that_go_on_the_day_a_pause_ends_are_paid_to_the_end() -> None:
    """That day is due, and they were held on it."""
    told = changed((day(10), Pause()), (day(20), Resume()), (day(20), SetSeats(2)))

    assert [5, 5, 5] == [s.seats.count(ANY_CLASS) for s in told.stretches(NOVEMBER)]


def test_a_trial_without_seats_leaves_none_to_pay() -> None:
    """Nobody was there, so nobody is paid for after it."""
    told = changed(seats=0, trial_days=14)

    assert [{}, {}] == [stretch.seats.initial for stretch in told.stretches(NOVEMBER)]


def test_the_same_number_again_is_no_change() -> None:
    """Nor is one of the day on which the next stretch, or period, begins."""
    told = changed(
        (day(10), SetSeats(5)),
        (day(16), ChoosePlan("demo", "business")),
        (day(16), SetSeats(7)),
        (date(2023, 12, 1), SetSeats(9)),
    )

    assert [(5, ()), (7, ())] == [
        (stretch.seats.count(ANY_CLASS), stretch.seats.changes)
        for stretch in told.stretches(NOVEMBER)
    ]


def test_all_seats_may_be_given_back() -> None:
    """The next period has none."""
    told = changed((day(10), SetSeats(0)))

    december = Period(date(2023, 12, 1), date(2024, 1, 1), 31)
    assert [{}] == [stretch.seats.initial for stretch in told.stretches(december)]


def test_seats_are_counted_from_zero() -> None:
    """A count below that cannot be made."""
    with pytest.raises(ValueError, match="from 0"):
        SetSeats(-1)
