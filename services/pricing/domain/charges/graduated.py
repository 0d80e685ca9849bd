"""Graduated: each part of the quantity at its own tier's price, plus the flats of tiers entered."""

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import ClassVar

from services.pricing.domain.charges.price import QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import Tier, flats_entered, require_tiers, split_over_tiers
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Graduated(QuantityPrice):
    """Prices for each `per` units (> 0); the bounds of the tiers are in single units."""

    model: ClassVar[str] = "graduated"

    tiers: tuple[Tier, ...]
    per: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        require_tiers(self.tiers)

    @cached_property
    def _unit_prices(self) -> tuple[Fraction, ...]:
        return tuple(tier.unit_amount / self.per for tier in self.tiers)

    def flats(self, quantity: Fraction) -> list[Fraction]:
        """Return the flat fee of each tier that is entered."""
        return flats_entered(quantity, self.tiers)

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return a step for each tier entered; nothing at quantity 0."""
        sign = -1 if quantity < 0 else 1
        steps = []
        for part in split_over_tiers(abs(quantity), self.tiers):
            price = words.price(part.tier.unit_amount, self.per)
            units = sign * part.units
            amount = units * self._unit_prices[part.number - 1]
            count = words.count(units)
            steps.append(Step(PRICE, f"{part.place}{count} at {price}", amount))
            steps.extend(flat_of_tier(part.number, sign * part.tier.flat_amount, words))
        return steps


def flat_of_tier(number: int, flat: Fraction, words: Words) -> list[Step]:
    """Return the step of a tier's flat fee, if it has one."""
    if not flat:
        return []
    return [Step(PRICE, f"flat fee of tier {number}: {words.money(abs(flat))}", flat)]
