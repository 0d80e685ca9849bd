"""Charges per seat."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.price import Situation
from services.pricing.domain.periods import Period
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.words import Words
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, amounts, sentences

SEAT = PerSeat(Fraction(20))
SEATS = Words(CURRENCIES["USD"], "seats")


def situation(count: int, *changes: SeatChange, period: Period = NOVEMBER) -> Situation:
    return Situation(period, Seats({"": count}, changes))


def test_seats_are_counted() -> None:
    """Twenty-five seats at 20 are 500."""
    steps = SEAT.price(situation(25), SEATS)

    assert ([Fraction(500)], ["25 seats at 20.00 USD each"]) == (amounts(steps), sentences(steps))


def test_a_shorter_period_pays_by_exact_days() -> None:
    """Half of the days pay half."""
    half = Period(date(2023, 11, 16), date(2023, 12, 1), 30)

    assert [Fraction(250)] == amounts(SEAT.price(situation(25, period=half), SEATS))


def test_added_seats_pay_from_their_day_on() -> None:
    """Two seats added on the 16th of thirty days pay 15 days each, that day included."""
    steps = SEAT.price(situation(5, SeatChange(date(2023, 11, 16), 2)), SEATS)

    assert [Fraction(100), Fraction(20)] == amounts(steps)
    assert "2 seats added on 2023-11-16 at 20.00 USD each, 15 of 30 days" == sentences(steps)[1]


def test_removed_seats_pay_to_the_end_of_the_period() -> None:
    """A removal is told and changes nothing yet; a seat added later pays all the same."""
    changes = SeatChange(date(2023, 11, 10), -2), SeatChange(date(2023, 11, 16), 1)

    steps = SEAT.price(situation(5, *changes), SEATS)

    assert [Fraction(100), Fraction(10), Fraction(0)] == amounts(steps)
    assert "2 seats removed on 2023-11-10, paid to the end of the period" == sentences(steps)[2]


def test_only_seats_of_the_class_are_counted() -> None:
    """Seats of another class have another charge."""
    mixed = Situation(NOVEMBER, Seats({"business": 3, "enterprise": 1}))

    assert [Fraction(60)] == amounts(PerSeat(Fraction(20), "business").price(mixed, SEATS))


def test_counting_seat_days_from_the_period_would_be_caught() -> None:
    """A reading in which an added seat pays for the whole period comes to another amount."""
    added = situation(5, SeatChange(date(2023, 11, 16), 2))

    assert Fraction(7 * 20) != sum(amounts(SEAT.price(added, SEATS)))


def test_a_class_is_counted_alone() -> None:
    """Those of another class, or of none, pay nothing here; without any there is nothing."""
    premium = PerSeat(Fraction(50), "premium")
    seats = Seats({"": 5, "premium": 2})

    assert (Fraction(2), [Fraction(100)]) == (
        premium.counted(Situation(NOVEMBER, seats)),
        amounts(premium.price(Situation(NOVEMBER, seats), SEATS)),
    )
    assert [Fraction(0)] == amounts(premium.price(situation(5), SEATS))
