"""The usage at which a seat breaks even: against its cost, and against paying by usage.

Usage is measured in multiples of what the mean person used in a month, at the mix of models and
token types that was observed. Each multiple is rated by the functions that bill.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)
ONE = Fraction(1)
STEP = Fraction(1, 1000)
"""Multiples are found to a thousandth: the least at which it is so, up to the next."""

MULTIPLE_MAX = Fraction(1_000_000)

Bill = Callable[[Fraction], Fraction]
"""Multiple of the mean usage → what it costs for one person and month."""


@dataclass(frozen=True)
class BreakEven:
    """`multiple` of the mean usage, and what that is in tokens; None: there is none such."""

    multiple: Fraction | None
    tokens: Fraction | None

    @classmethod
    def of(cls, multiple: Fraction | None, mean_tokens: Fraction) -> "BreakEven":
        return cls(multiple, None if multiple is None else multiple * mean_tokens)


def cost_break_even(seat: Fraction, cost: Fraction) -> Fraction | None:
    """Return the multiple at which usage costs the vendor what a seat brings in.

    `cost` is that of the mean usage: providers charge by the unit. None if it costs nothing.
    """
    return seat / cost if cost > 0 else None


def price_break_even(seat: Bill, usage: Bill) -> Fraction | None:
    """Return the least multiple (in steps) at which usage is at least as dear as the seat.

    Bills by usage less bills by seat must not fall as usage grows. None if that is never so.
    """

    def is_dearer(steps: int) -> bool:
        return usage(steps * STEP) >= seat(steps * STEP)

    if is_dearer(0):
        return ZERO
    high = int(ONE / STEP)
    while not is_dearer(high):
        high *= 2
        if high * STEP > MULTIPLE_MAX:
            return None
    low = 0
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_dearer(middle) else (middle, high)
    return high * STEP
