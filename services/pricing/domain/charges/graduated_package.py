"""Graduated packages: in each tier, the units in it are rounded up to whole packages."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.graduated import flat_of_tier
from services.pricing.domain.charges.package import package_words, whole_packages
from services.pricing.domain.charges.price import QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import (
    PackageTier,
    flats_entered,
    require_tiers,
    split_over_tiers,
)
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class GraduatedPackage(QuantityPrice):
    """Each part of the quantity in the packages of the tier that it falls in."""

    model: ClassVar[str] = "graduated_package"

    tiers: tuple[PackageTier, ...]

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
            tier, units = part.tier, sign * part.units
            packages = whole_packages(units, tier.package_size)
            text = package_words(units, packages, tier.package_size, words=words)
            description = f"{part.place}{text} at {words.money(tier.package_amount)}"
            steps.append(Step(PRICE, description, packages * tier.package_amount))
            steps.extend(flat_of_tier(part.number, sign * tier.flat_amount, words))
        return steps
