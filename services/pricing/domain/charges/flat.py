"""Flat: a fixed amount for each period; of a shorter one its share by exact days."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.price import FeePrice, Situation, Timing
from services.pricing.domain.periods import by_days
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Flat(FeePrice):
    """A fixed amount for each period."""

    model: ClassVar[str] = "flat"
    unit: ClassVar[str] = "periods"

    amount: Fraction
    timing: Timing = "in_arrears"

    def counted(self, situation: Situation) -> Fraction:  # noqa: ARG002 - one, whatever the period
        """Return 1."""
        return Fraction(1)

    def price(self, situation: Situation, words: Words) -> list[Step]:
        """Return the fee: amount x days / days of the whole period."""
        period = situation.period
        description = f"{words.money(self.amount)} for the period"
        return [Step(PRICE, description + by_days(period), self.amount * period.share)]
