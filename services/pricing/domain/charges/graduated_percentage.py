"""Graduated percentage: each part of an amount at its own tier's rate, plus flats."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.graduated import flat_of_tier
from services.pricing.domain.charges.price import QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import flats_entered, require_tiers, split_over_tiers
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class RateTier:
    """A rate in percent up to a bound in money (inclusive; None: open), with a flat fee."""

    up_to: Fraction | None
    rate_percent: Fraction
    flat_amount: Fraction = Fraction(0)


@dataclass(frozen=True)
class GraduatedPercentage(QuantityPrice):
    """The quantity is an amount of money, as a meter adds it up."""

    model: ClassVar[str] = "graduated_percentage"

    tiers: tuple[RateTier, ...]

    def __post_init__(self) -> None:
        require_tiers(self.tiers)

    def flats(self, quantity: Fraction) -> list[Fraction]:
        """Return the flat fee of each tier that is entered."""
        return flats_entered(quantity, self.tiers)

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return a step for each tier entered; nothing at quantity 0."""
        sign = -1 if quantity < 0 else 1
        steps = []
        for part in split_over_tiers(abs(quantity), self.tiers):
            rate, value = part.tier.rate_percent, sign * part.units
            description = f"{part.place}{words.number(rate)} % of {words.money(value)}"
            steps.append(Step(PRICE, description, value * rate / 100))
            steps.extend(flat_of_tier(part.number, sign * part.tier.flat_amount, words))
        return steps
