"""Graduated: each part of the quantity at its own tier's price, plus the flats of tiers entered."""

from fractions import Fraction

from services.pricing.domain.charges import GraduatedCharge
from services.pricing.domain.step import PRICE, Step
from services.pricing.domain.tiers import TierPart, split_over_tiers
from services.pricing.domain.words import Words


def price_graduated(charge: GraduatedCharge, quantity: Fraction, words: Words) -> list[Step]:
    """Return a step for each tier entered; nothing at quantity 0.

    A negative quantity (corrections outweigh usage) mirrors the positive one.
    """
    sign = -1 if quantity < 0 else 1
    steps = []
    for part in split_over_tiers(abs(quantity), charge.tiers):
        price = words.price(part.tier.unit_amount, charge.per)
        amount = sign * part.units / charge.per * part.tier.unit_amount
        count = words.count(sign * part.units)
        steps.append(Step(PRICE, f"{_place(part)}{count} at {price}", amount))
        steps.extend(tier_flat(part, sign, words))
    return steps


def tier_flat(part: TierPart, sign: int, words: Words) -> list[Step]:
    """Return the step of a tier's flat fee, if it has one."""
    flat = part.tier.flat_amount
    if not flat:
        return []
    return [Step(PRICE, f"flat fee of tier {part.number}: {words.money(flat)}", sign * flat)]


def _place(part: TierPart) -> str:
    if part.number == 1:
        return "" if part.open_ended else "first "
    return "above: " if part.open_ended else "next "
