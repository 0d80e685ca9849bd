"""Volume: the whole quantity at the price of the tier that it reaches, plus that tier's flat."""

from fractions import Fraction

from services.pricing.domain.charges import VolumeCharge
from services.pricing.domain.graduated import tier_flat
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import tier_reached
from services.pricing.domain.words import Words


def price_volume(charge: VolumeCharge, quantity: Fraction, words: Words) -> list[Step]:
    """Return the price of all units at the reached tier; nothing at quantity 0.

    The amount may fall where a cheaper tier begins: that is what volume pricing means. A negative
    quantity (corrections outweigh usage) mirrors the positive one.
    """
    reached = tier_reached(abs(quantity), charge.tiers)
    if reached is None:
        return []
    price = words.price(reached.tier.unit_amount, charge.per)
    description = f"all {words.count(quantity)} at {price} (tier {reached.number})"
    amount = quantity / charge.per * reached.tier.unit_amount
    sign = -1 if quantity < 0 else 1
    return [Step(PRICE, description, amount), *tier_flat(reached, sign, words)]
