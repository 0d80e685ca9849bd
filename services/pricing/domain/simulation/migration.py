"""Moving tenants to another plan without a shock: cohorts, and bounds on their first bills.

A tenant's bounds are amounts for a whole period, of what it paid on average in the window: they
hold whatever it uses, since its subscription carries them as the plan's own maximum and minimum.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import Literal

from shared.money import Currency, sum_exact

ZERO = Fraction(0)
HUNDRED = 100

Cohort = Literal["pays_less", "within", "capped"]
"""Who moves first, second and last: nobody complains of a smaller bill."""

COHORTS: tuple[Cohort, ...] = ("pays_less", "within", "capped")


@dataclass(frozen=True)
class Guard:
    """In the first `periods` (>= 1) no bill is more than `rise` percent above the average bill.

    `fall` percent below it is the least that is paid; None: bills may fall as they do.
    """

    rise: Fraction
    periods: int
    fall: Fraction | None = None

    def __post_init__(self) -> None:
        if self.rise < 0 or self.periods < 1:
            raise ValueError("a bill rises by 0 percent or more, in one period or more")
        if self.fall is not None and not 0 <= self.fall <= HUNDRED:
            raise ValueError("a bill falls by 0 to 100 percent")


@dataclass(frozen=True)
class Bounds:
    """Amounts for a whole period; None: unbounded on that side."""

    most: Fraction | None = None
    least: Fraction | None = None

    def charged(self, bill: Fraction) -> Fraction:
        """Return what is paid of a bill."""
        if self.most is not None:
            bill = min(bill, self.most)
        return bill if self.least is None else max(bill, self.least)


def bounds_of(average: Fraction, guard: Guard, currency: Currency) -> Bounds:
    """Return the bounds for an average bill, in whole minor units: never above the promise.

    A tenant that paid nothing has none: any bill is a rise without a measure.
    """
    if average <= 0:
        return Bounds()
    unit = Fraction(1, 10**currency.exponent)
    most = floor(average * (HUNDRED + guard.rise) / HUNDRED / unit) * unit
    if guard.fall is None:
        return Bounds(most)
    least = ceil(average * (HUNDRED - guard.fall) / HUNDRED / unit) * unit
    return Bounds(most, min(least, most))


@dataclass(frozen=True)
class Moved:
    """A tenant that moves: the last periods of the window replayed as its first ones on the plan.

    `average` is what a period's bill was until now; `bills` are those of the plan without bounds.
    """

    tenant_id: str
    average: Fraction
    bounds: Bounds
    bills: tuple[Fraction, ...]

    @classmethod
    def of(
        cls,
        tenant_id: str,
        paid: Fraction,
        bills: Sequence[Fraction],
        *,
        guard: Guard,
        currency: Currency,
    ) -> "Moved":
        """Plan the move of a tenant that `paid` so much in as many periods as there are `bills`.

        Bills are in the order of time, at least one; the last `guard.periods` are replayed.
        """
        average = paid / len(bills)
        bounds = bounds_of(average, guard, currency)
        return cls(tenant_id, average, bounds, tuple(bills[-guard.periods :]))

    @property
    def charged(self) -> tuple[Fraction, ...]:
        """What is paid in each of the replayed periods."""
        return tuple(map(self.bounds.charged, self.bills))

    @property
    def cohort(self) -> Cohort:
        if any(paid < bill for paid, bill in zip(self.charged, self.bills, strict=True)):
            return "capped"
        return "within" if sum_exact(self.bills) > self.average * len(self.bills) else "pays_less"

    @property
    def forgone(self) -> Fraction:
        """What caps take from the vendor."""
        pairs = zip(self.bills, self.charged, strict=True)
        return sum_exact([max(bill - paid, ZERO) for bill, paid in pairs])

    @property
    def kept(self) -> Fraction:
        """What floors bring the vendor above the plan."""
        pairs = zip(self.bills, self.charged, strict=True)
        return sum_exact([max(paid - bill, ZERO) for bill, paid in pairs])
