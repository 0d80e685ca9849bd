"""Per seat: an amount for each declared seat and period; by exact days for a shorter one."""

from fractions import Fraction

from services.pricing.domain.charges import PerSeatCharge
from services.pricing.domain.flat import by_days, share_of
from services.pricing.domain.periods import Period
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


def price_per_seat(charge: PerSeatCharge, seats: int, period: Period, words: Words) -> list[Step]:
    """Return seats x amount x days / days of the whole period."""
    count = words.count(Fraction(seats))
    description = f"{count} at {words.price(charge.unit_amount, Fraction(1))}"
    amount = seats * charge.unit_amount * share_of(period)
    return [Step(PRICE, description + by_days(period), amount)]
