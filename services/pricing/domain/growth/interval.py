"""An estimate with its interval: leave one out, Student's t, rounded outwards."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

LEVEL = 95
_SCALE = 10**12

# Quantiles 0.975 of Student's t, by degrees of freedom; between two of the last, the lower one's.
_T = (
    "12.706 4.303 3.182 2.776 2.571 2.447 2.365 2.306 2.262 2.228 2.201 2.179 2.160 2.145 2.131 "
    "2.120 2.110 2.101 2.093 2.086 2.080 2.074 2.069 2.064 2.060 2.056 2.052 2.048 2.045 2.042"
)
_QUANTILES = {
    **dict(enumerate(map(Fraction, _T.split()), start=1)),
    40: Fraction("2.021"),
    60: Fraction("2.000"),
    120: Fraction("1.980"),
}


@dataclass(frozen=True)
class Interval:
    """Covers the truth in 95 of 100 samples, if what its method assumes holds."""

    lower: Fraction
    upper: Fraction

    @property
    def holds_zero(self) -> bool:
        """Whether no change at all is within it."""
        return self.lower <= 0 <= self.upper


def jackknife(estimate: Fraction, without: Sequence[Fraction], *, freedom: int) -> Interval:
    """Return the interval around an estimate.

    `without` are the estimates that leave out one cluster each, of all clusters. The variance is
    (n - 1) / n times the sum of their squared distances from the estimate; `freedom` >= 1.
    """
    number = len(without)
    squares = sum(((one - estimate) ** 2 for one in without), Fraction(0))
    half = quantile(freedom) * root_above(squares * (number - 1) / number)
    return Interval(estimate - half, estimate + half)


def quantile(freedom: int) -> Fraction:
    """Return the quantile 0.975 of Student's t, of so many or a few less degrees of freedom."""
    return _QUANTILES[max(known for known in _QUANTILES if known <= freedom)]


def root_above(square: Fraction) -> Fraction:
    """Return a square root to 12 decimals, rounded up."""
    scaled = -(-square.numerator * _SCALE**2 // square.denominator)
    root = isqrt(scaled)
    return Fraction(root + (root * root < scaled), _SCALE)
