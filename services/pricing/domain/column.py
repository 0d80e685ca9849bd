"""Many numbers over one denominator: they are added, multiplied and written as integers."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm
from typing import NamedTuple

from shared.money import format_ratios, ratios_of


class Column(NamedTuple):
    """Exact numbers, as numerators over one denominator (> 0), not always in lowest terms."""

    numerators: Sequence[int]
    denominator: int

    @classmethod
    def of(cls, numbers: Iterable[Fraction]) -> "Column":
        """Return numbers over the denominator that they have in common."""
        ratios = ratios_of(numbers)
        denominators = [denominator for _, denominator in ratios]
        if denominators.count(1) == len(ratios):
            return cls([numerator for numerator, _ in ratios], 1)
        common = lcm(*denominators)
        return cls([numerator * (common // part) for numerator, part in ratios], common)

    @property
    def total(self) -> Fraction:
        """The sum of the numbers."""
        return Fraction(sum(self.numerators), self.denominator)

    @property
    def numbers(self) -> list[Fraction]:
        """The numbers, one by one."""
        return [Fraction(numerator, self.denominator) for numerator in self.numerators]

    def times(self, factor: Fraction) -> "Column":
        """Return each number times a factor."""
        price, per = factor.as_integer_ratio()
        return Column([numerator * price for numerator in self.numerators], self.denominator * per)

    def texts(self) -> list[str]:
        """Return the numbers as `format_exact` writes them."""
        return format_ratios(self.numerators, self.denominator)
