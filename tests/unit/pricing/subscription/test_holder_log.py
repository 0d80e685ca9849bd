"""The log of who holds seats: what it says of a day, and who goes without."""

from datetime import date

from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.subscription.holder_log import (
    Assignment,
    holders_on,
    seats_on,
    standing_on,
)

FIRST, MIDDLE, LAST = (date(2023, 11, day) for day in (1, 16, 30))
ADA, BOB = Assignment("ada", "premium", FIRST), Assignment("bob", "premium", FIRST)


def held(log: list[Assignment], day: date, **seats: int) -> dict[str, str]:
    return holders_on(log, day, dict(seats))[0]


def test_both_days_of_an_assignment_are_its_days() -> None:
    """It begins on its first day and ends with its last; without one it is open."""
    some = Assignment("ada", "", MIDDLE, LAST)
    days = [date(2023, 11, 15), MIDDLE, LAST, date(2023, 12, 1)]

    assert [False, True, True, False] == [some.covers(day) for day in days]
    assert ADA.covers(date(2100, 1, 1))


def test_of_two_for_a_user_and_day_the_later_stands() -> None:
    """On its days alone: before and after them the earlier one holds again."""
    log = [ADA, Assignment("ada", "standard", MIDDLE, MIDDLE)]

    found = [standing_on(log, day)[0].seat_class for day in (FIRST, MIDDLE, LAST)]

    assert ["premium", "standard", "premium"] == found


def test_who_is_released_leaves_the_seat() -> None:
    """From that day on; another takes it."""
    log = [ADA, Assignment("ada", None, MIDDLE), Assignment("bob", "premium", MIDDLE)]

    found = [held(log, day, premium=1) for day in (FIRST, MIDDLE)]

    assert [{"ada": "premium"}, {"bob": "premium"}] == found


def test_those_assigned_first_keep_seats_that_became_fewer() -> None:
    """In the order of the log, not of names or use; the others are told."""
    carl = Assignment("carl", "standard", FIRST)
    left = {"premium": 1, "standard": 1}

    holders, without = holders_on([BOB, ADA, carl], MIDDLE, left)

    assert {"bob": "premium", "carl": "standard"} == holders
    assert ([ADA], {"premium": 0, "standard": 0}) == (without, left)


def test_seats_of_a_day_are_those_that_are_paid_for() -> None:
    """An added seat is there from its day on; a removed one until the period ends."""
    changes = (SeatChange(MIDDLE, 2), SeatChange(FIRST, -1), SeatChange(MIDDLE, 1, "premium"))
    seats = Seats({"": 3}, changes)

    assert {"": 3, "premium": 0} == seats_on(seats, FIRST)
    assert {"": 5, "premium": 1} == seats_on(seats, MIDDLE)
