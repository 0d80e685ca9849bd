"""Per unit: quantity x price, linear, without any rounding to whole blocks."""

from fractions import Fraction

from services.pricing.domain.charges import PerUnitCharge
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


def price_per_unit(charge: PerUnitCharge, quantity: Fraction, words: Words) -> list[Step]:
    """Return quantity x unit amount / per."""
    price = words.price(charge.unit_amount, charge.per)
    amount = quantity / charge.per * charge.unit_amount
    return [Step(PRICE, f"{words.count(quantity)} at {price}", amount)]
