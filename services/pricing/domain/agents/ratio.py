"""Shares and ratios over runs, with their intervals of 95 %, rounded outwards.

Both take runs for independent of one another, which those of one tree or one day may not be.
"""

from dataclasses import dataclass
from fractions import Fraction

from services.pricing.domain.growth.interval import Interval, quantile, root_above

ZERO, ONE = Fraction(0), Fraction(1)
Z = Fraction("1.959964")
"""The quantile 0.975 of the normal distribution."""

RUNS_MIN = 10
"""Below so many runs, or runs with an outcome, the spread of a ratio is not told: it is unknown."""


@dataclass(frozen=True)
class Rate:
    """A share of runs, and Wilson's score interval around it, from 0 to 1."""

    share: Fraction
    interval: Interval


def rate_of(number: int, runs: int) -> Rate:
    """Return the share of `number` in `runs` >= 1 (Wilson 1927): good for few runs and for none."""
    share = Fraction(number, runs)
    square = Z * Z
    middle = share + square / (2 * runs)
    half = Z * root_above(share * (1 - share) / runs + square / (4 * runs * runs))
    scale = 1 + square / runs
    lower = ZERO if number == 0 else max((middle - half) / scale, ZERO)
    upper = ONE if number == runs else min((middle + half) / scale, ONE)
    return Rate(share, Interval(lower, upper))


@dataclass(frozen=True)
class RatioSums:
    """Sums over n runs of what a ratio is made of: y over x, their squares and their product."""

    runs: int
    y: Fraction
    x: Fraction
    y_squares: Fraction
    products: Fraction
    x_squares: Fraction

    @property
    def ratio(self) -> Fraction:
        return self.y / self.x

    def interval(self, telling: int) -> Interval | None:
        """Return the interval of the ratio, which ends at 0; None where it would say too much.

        `telling` are the runs with any x. The variance is the linearised one of the ratio
        estimator, n / (n - 1) times the sum of (y - ratio x)^2 over x^2 (Cochran, Sampling
        Techniques, 6.4); Student's t with n - 1 degrees of freedom.
        """
        if min(self.runs, telling) < RUNS_MIN or self.x <= 0:
            return None
        ratio = self.ratio
        spread = self.y_squares - 2 * ratio * self.products + ratio * ratio * self.x_squares
        variance = Fraction(self.runs, self.runs - 1) * spread / (self.x * self.x)
        half = quantile(self.runs - 1) * root_above(variance)
        return Interval(max(ratio - half, ZERO), ratio + half)
