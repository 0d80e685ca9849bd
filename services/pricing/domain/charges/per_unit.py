"""Per unit: quantity x price, linear, without any rounding to whole blocks."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from services.pricing.domain.charges.price import QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class PerUnit(QuantityPrice):
    """`unit_amount` for each `per` units (> 0)."""

    model: ClassVar[str] = "per_unit"
    linear: ClassVar[bool] = True

    unit_amount: Fraction
    per: Fraction = Fraction(1)

    @cached_property
    def _unit_price(self) -> Fraction:
        return self.unit_amount / self.per

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return quantity x unit amount / per."""
        price = words.price(self.unit_amount, self.per)
        amount = quantity * self._unit_price
        return [Step(PRICE, f"{words.count(quantity)} at {price}", amount)]
