"""Coupons: what is taken off an invoice as a whole, before tax."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)
HUNDRED = 100


@dataclass(frozen=True)
class Coupon:
    """A percentage (0 to 100) or a fixed amount (>= 0, in major units) off some of the lines.

    `applies_to` are the names that lines go by, such as the keys of their charges; None: all.
    """

    key: str
    percent: Fraction | None = None
    amount: Fraction | None = None
    applies_to: frozenset[str] | None = None

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise ValueError("a coupon takes off a percentage or an amount")
        if self.percent is not None and not 0 <= self.percent <= HUNDRED:
            raise ValueError("a percentage is between 0 and 100")
        if self.amount is not None and self.amount < 0:
            raise ValueError("a coupon takes off, and never adds")

    def of(self, left: Fraction) -> Fraction:
        """Return what it takes off an amount (>= 0): never more than that."""
        if self.percent is not None:
            return left * self.percent / HUNDRED
        return min(self.amount or ZERO, left)


@dataclass(frozen=True)
class NamedCoupon:
    """A coupon and the words that stand on the invoice for it."""

    coupon: Coupon
    description: str


def discounts(
    lines: Sequence[tuple[str, Fraction]], coupons: Sequence[Coupon]
) -> list[list[Fraction]]:
    """Return what each coupon takes off each line (>= 0), the coupons in their order.

    `lines` are (name, exact amount). A coupon acts on what those before it left, and is spread over
    its lines in proportion to that. What is below zero (credit, a correction) is not discounted,
    but lowers what there is to discount.
    """
    left = [amount for _, amount in lines]
    taken = []
    for coupon in coupons:
        own = [coupon.applies_to is None or name in coupon.applies_to for name, _ in lines]
        parts = _spread(
            coupon, [one if chosen else ZERO for one, chosen in zip(left, own, strict=True)]
        )
        left = [one - part for one, part in zip(left, parts, strict=True)]
        taken.append(parts)
    return taken


def _spread(coupon: Coupon, left: Sequence[Fraction]) -> list[Fraction]:
    positive = [max(one, ZERO) for one in left]
    whole, base = sum(positive, ZERO), max(sum(left, ZERO), ZERO)
    if not whole:
        return [ZERO] * len(left)
    portion = coupon.of(base) / whole
    return [one * portion for one in positive]
