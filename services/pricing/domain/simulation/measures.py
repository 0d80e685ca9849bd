"""How money is spread over people: exact measures of a list of amounts."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from services.pricing.domain.column import Column

ZERO = Fraction(0)
DECILE = Fraction(1, 10)


def median(rising: Sequence[int]) -> Fraction:
    """Return the middle of rising amounts (at least one); the mean of both middles of an even."""
    middle = len(rising) // 2
    if len(rising) % 2:
        return Fraction(rising[middle])
    return Fraction(rising[middle - 1] + rising[middle], 2)


def percentile(rising: Sequence[int], share: Fraction) -> Fraction:
    """Return the least amount that a share (0 < share <= 1) of all amounts do not exceed.

    The nearest rank: always one of the amounts, never something between two.
    """
    return Fraction(rising[ceil(share * len(rising)) - 1])


def top_share(rising: Sequence[int], share: Fraction = DECILE) -> Fraction | None:
    """Return what the highest `share` of the people have of the sum; None without a positive sum.

    Where the share is no whole number of people, the one at its border counts in part: of equal
    amounts a tenth of the people have a tenth, however many they are.
    """
    total = sum(rising)
    if total <= 0:
        return None
    count = share * len(rising)
    whole, part = int(count), count - int(count)
    held = Fraction(sum(rising[len(rising) - whole :]))
    if part:
        held += rising[len(rising) - whole - 1] * part
    return held / total


def gini(rising: Sequence[int]) -> Fraction | None:
    """Return the Gini coefficient: 0 if all have the same, (n - 1)/n if one has everything.

    None without a positive sum, or where an amount is below 0: it says nothing then.
    """
    total = sum(rising)
    if total <= 0 or rising[0] < 0:
        return None
    count = len(rising)
    weighted = sum(place * amount for place, amount in enumerate(rising, start=1))
    return (Fraction(2 * weighted, total) - count - 1) / count


@dataclass(frozen=True)
class Distribution:
    """Amounts of `count` people; the measures are None without people (or as each says)."""

    count: int
    total: Fraction
    mean: Fraction | None = None
    median: Fraction | None = None
    p90: Fraction | None = None
    p99: Fraction | None = None
    largest: Fraction | None = None
    top_decile_share: Fraction | None = None
    gini: Fraction | None = None

    @classmethod
    def of(cls, column: Column) -> "Distribution":
        """Measure amounts in any order: as integers over one denominator, since people are many."""
        rising = sorted(column.numerators)
        total = column.total
        if not rising:
            return cls(0, total)
        unit = Fraction(1, column.denominator)
        return cls(
            count=len(rising),
            total=total,
            mean=total / len(rising),
            median=median(rising) * unit,
            p90=percentile(rising, Fraction(9, 10)) * unit,
            p99=percentile(rising, Fraction(99, 100)) * unit,
            largest=rising[-1] * unit,
            top_decile_share=top_share(rising),
            gini=gini(rising),
        )
