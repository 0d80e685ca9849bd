"""Charges per seat."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.charges import PerSeatCharge
from services.pricing.domain.per_seat import price_per_seat
from services.pricing.domain.periods import Period
from services.pricing.domain.words import Words
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, amounts, sentences

SEAT = PerSeatCharge("seats", "Seats", Fraction(20))
SEATS = Words(CURRENCIES["USD"], "seats")


def test_seats_are_counted() -> None:
    """Twenty-five seats at 20 are 500."""
    steps = price_per_seat(SEAT, 25, NOVEMBER, SEATS)

    assert ([Fraction(500)], ["25 seats at 20.00 USD each"]) == (amounts(steps), sentences(steps))


def test_a_shorter_period_pays_by_exact_days() -> None:
    """Half of the days pay half."""
    half = Period(date(2023, 11, 16), date(2023, 12, 1), 30)

    assert [Fraction(250)] == amounts(price_per_seat(SEAT, 25, half, SEATS))
