"""What an amount comes to at least and at most, and what is taken off it."""

from fractions import Fraction

from services.pricing.domain.step import DISCOUNT, MAXIMUM, MINIMUM, TRUE_UP, Step
from services.pricing.domain.words import Words

ZERO = Fraction(0)


def discount_percent(amount: Fraction, percent: Fraction, words: Words) -> list[Step]:
    """Return the step that takes a percentage off; of a negative amount, too."""
    if not percent or not amount:
        return []
    text = f"discount of {words.number(percent)} % on {words.money(amount)}"
    return [Step(DISCOUNT, text, -amount * percent / 100)]


def discount_fixed(amount: Fraction, discount: Fraction, words: Words) -> list[Step]:
    """Return the step that takes a fixed amount off, at most what is there."""
    taken = min(discount, max(amount, ZERO))
    return [Step(DISCOUNT, f"discount of {words.money(taken)}", -taken)] if taken else []


def at_most(amount: Fraction, maximum: Fraction, words: Words) -> list[Step]:
    """Return the step that lowers an amount to its maximum."""
    if amount <= maximum:
        return []
    return [Step(MAXIMUM, f"capped at {words.money(maximum)}", maximum - amount)]


def at_least(amount: Fraction, minimum: Fraction, words: Words) -> list[Step]:
    """Return the step that raises an amount to its minimum (a true-up)."""
    if amount >= minimum:
        return []
    return [Step(MINIMUM, f"{TRUE_UP} minimum of {words.money(minimum)}", minimum - amount)]
