"""How usage answers to another price: an assumption that is stated, never measured here.

An elasticity is the slope at today's bill: at -0.5 a bill that would be 1 % higher makes usage half
a percent lower. Where the bill is r times today's, and higher, 1 / (1 - elasticity (r - 1)) of the
usage is left, never less than nothing; where it is lower, there is 1 + elasticity (r - 1) of it. An
elasticity of 0 is no response.
"""

from fractions import Fraction
from math import floor

MILLION = 1_000_000
ONE = Fraction(1)
NONE = Fraction(0)


def demand_factor(elasticity: Fraction, *, before: Fraction, after: Fraction) -> Fraction:
    """Return by what usage is multiplied when a bill of `before` becomes `after`; 0 or more.

    A whole number of millionths, the nearest: more digits would claim to know more than it does.
    `elasticity` is 0 or less. Where nothing was paid before there is no relative change, and so no
    response.
    """
    if elasticity > 0:
        raise ValueError("usage does not grow because it costs more")
    if not elasticity or before <= 0:
        return ONE
    change = elasticity * (max(after, NONE) / before - ONE)
    factor = ONE + change if change > 0 else ONE / (ONE - change)
    return Fraction(floor(factor * MILLION + Fraction(1, 2)), MILLION)
