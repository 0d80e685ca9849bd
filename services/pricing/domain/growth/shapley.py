"""The Shapley split of a change: exact, additive, without a residual (`economics.md` 4).

The effect of a factor is the mean, over every order in which the factors can change, of what its
change adds. It treats all factors alike, needs no logarithms and takes zeros as they are.
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import lru_cache
from itertools import product
from math import factorial, lcm

Changed = tuple[bool, ...]
"""For each factor, whether it has its later value."""


def shapley(factors: int, value: Callable[[Changed], Fraction | int]) -> list[Fraction]:
    """Return the effect of each of so many factors; they sum to value(all) - value(none).

    `value` is asked once for each of the 2^factors combinations.
    """
    values = {changed: value(changed) for changed in product((False, True), repeat=factors)}
    scale = lcm(*(amount.denominator for amount in values.values()))
    orders = _orders(factors)
    effects = [0] * factors
    for changed, amount in values.items():
        units = amount.numerator * (scale // amount.denominator)
        others = sum(changed)
        for place, is_changed in enumerate(changed):
            effects[place] += orders[others - 1] * units if is_changed else -orders[others] * units
    return [Fraction(effect, scale * factorial(factors)) for effect in effects]


@lru_cache
def _orders(factors: int) -> Sequence[int]:
    """Return, by how many others change before a factor, in how many orders that is so."""
    return [factorial(before) * factorial(factors - before - 1) for before in range(factors)]


def product_effects(before: Sequence[Fraction], after: Sequence[Fraction]) -> list[Fraction]:
    """Return the effect of each factor of a product."""

    def value(changed: Changed) -> Fraction:
        result = Fraction(1)
        for is_changed, one, other in zip(changed, before, after, strict=True):
            result *= other if is_changed else one
        return result

    return shapley(len(before), value)
