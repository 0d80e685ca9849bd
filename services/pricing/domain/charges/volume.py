"""Volume: the whole quantity at the price of the tier that it reaches, plus that tier's flat."""

from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

from services.pricing.domain.charges.graduated import flat_of_tier
from services.pricing.domain.charges.price import PartOfQuantity, QuantityPrice
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import Tier, require_tiers, tier_reached
from services.pricing.domain.words import Words


@dataclass(frozen=True)
class Volume(QuantityPrice):
    """Prices for each `per` units (> 0); the bounds of the tiers are in single units.

    The amount may fall where a cheaper tier begins: that is what volume pricing means.
    """

    model: ClassVar[str] = "volume"

    tiers: tuple[Tier, ...]
    per: Fraction = Fraction(1)

    def __post_init__(self) -> None:
        require_tiers(self.tiers)

    def price(self, quantity: Fraction, words: Words) -> list[Step]:
        """Return the price of all units at the reached tier; nothing at quantity 0."""
        return self.price_at(quantity, quantity, words)

    def tiers_entered(self, part: PartOfQuantity) -> int:
        """Return the tier that the whole period reaches, where a part has any of it."""
        reached = tier_reached(abs(part.total), self.tiers)
        entered = reached.number if reached and part.quantity else 0
        return max(part.tiers_charged, entered)

    def price_part(self, part: PartOfQuantity, words: Words) -> list[Step]:
        """Return the price of a part at the tier that the whole period reaches; its flat once."""
        if not part.quantity:
            return []
        steps = self.price_at(part.quantity, part.total, words)
        return steps[:1] if self.tiers_entered(part) <= part.tiers_charged else steps

    def price_at(self, quantity: Fraction, reaching: Fraction, words: Words) -> list[Step]:
        """Return the price of `quantity` at the tier that `reaching` reaches.

        The two differ where only a part is charged here: prorated units, a split period.
        """
        reached = tier_reached(abs(reaching), self.tiers)
        if reached is None:
            return []
        price = words.price(reached.tier.unit_amount, self.per)
        description = f"all {words.count(quantity)} at {price} (tier {reached.number})"
        amount = quantity / self.per * reached.tier.unit_amount
        flat = -reached.tier.flat_amount if reaching < 0 else reached.tier.flat_amount
        return [Step(PRICE, description, amount), *flat_of_tier(reached.number, flat, words)]
