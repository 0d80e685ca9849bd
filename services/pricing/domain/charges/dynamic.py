"""Dynamic: the producer states the amount; a meter adds it up, and the sum is the price."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Dynamic(QuantityPrice):
    """The quantity is an amount in the currency of the price book."""

    model: ClassVar[str] = "dynamic"
    linear: ClassVar[bool] = True

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return the sum of the stated amounts, unrounded."""
        return [Step(PRICE, f"{words.money(quantity)} as stated with the usage", quantity)]
