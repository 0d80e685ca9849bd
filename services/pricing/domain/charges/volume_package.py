"""Volume packages: the whole quantity in packages of the tier that it reaches."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.graduated import flat_of_tier
from services.pricing.domain.charges.package import package_words, whole_packages
from services.pricing.domain.charges.price import PartOfQuantity, QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import PackageTier, require_tiers, tier_reached
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class VolumePackage(QuantityPrice):
    """All units rounded up to the packages of the reached tier; cliffs as with volume."""

    model: ClassVar[str] = "volume_package"

    tiers: tuple[PackageTier, ...]

    def __post_init__(self) -> None:
        require_tiers(self.tiers)

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return the packages of the reached tier and its flat; nothing at quantity 0."""
        return self.price_part(PartOfQuantity(Fraction(0), quantity, quantity), words)

    def tiers_entered(self, part: PartOfQuantity) -> int:
        """Return the tier that the whole period reaches, where a part has any of it."""
        reached = tier_reached(abs(part.total), self.tiers)
        entered = reached.number if reached and part.quantity else 0
        return max(part.tiers_charged, entered)

    def price_part(self, part: PartOfQuantity, words: Words) -> list[Step]:
        """Return the packages beyond those before, of the tier that the whole period reaches."""
        reached = tier_reached(abs(part.total), self.tiers)
        if reached is None or not part.quantity:
            return []
        tier, number = reached.tier, reached.number
        packages = whole_packages(part.after, tier.package_size)
        packages -= whole_packages(part.before, tier.package_size)
        text = package_words(part.quantity, packages, tier.package_size, words=words)
        description = f"all {text} at {words.money(tier.package_amount)} (tier {number})"
        flat = -tier.flat_amount if part.total < 0 else tier.flat_amount
        steps = [Step(PRICE, description, packages * tier.package_amount)]
        return [*steps, *(flat_of_tier(number, flat, words) if number > part.tiers_charged else [])]
