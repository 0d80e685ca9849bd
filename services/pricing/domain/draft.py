"""A line while it is rated. The steps of the pipeline write on it, one after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.price import Situation
from services.pricing.domain.column import Column
from services.pricing.domain.meters import MeterReading
from services.pricing.domain.pools import Balances, PoolUse
from services.pricing.domain.readings import Readings
from services.pricing.domain.step import Step
from services.pricing.domain.usage import Usage, UsageGroup, columns_of
from services.pricing.domain.words import Words, words_of
from shared.money import Currency, sum_exact


@dataclass
class Draft:
    """A charge, the usage that it claims, and what has become of it so far.

    `quantity` is what was used, in units of usage. `converted` are each row's units where the
    charge has another unit, `all_units` their sum, `billable` what of it is left to price.
    `group_amounts` say what each row caused of the price, where rows have prices of their own.
    `balances` are shared with other lines. `meters` are the single values among what is claimed,
    by kind. Unless it is `told`, steps have no words, and details no texts and no days.
    """

    charge: Charge
    groups: tuple[UsageGroup, ...]
    situation: Situation
    readings: Readings
    currency: Currency
    balances: Balances
    quantity: Fraction = Fraction(0)
    unit: str = ""
    billed_unit: str = ""
    converted: list[Fraction] | None = None
    all_units: Fraction = Fraction(0)
    billable: Fraction = Fraction(0)
    events: tuple[Fraction, ...] = ()
    group_amounts: list[Column] | None = None
    steps: list[Step] = field(default_factory=list)
    amount: Fraction = Fraction(0)
    pools: list[PoolUse] = field(default_factory=list)
    blocked: Fraction = Fraction(0)
    meters: tuple[tuple[str, MeterReading], ...] = ()
    told: bool = True

    @property
    def rows(self) -> list[Usage]:
        """The rows of what it claims, in their order."""
        return [row for group in self.groups for row in group.rows]

    @property
    def units(self) -> list[Fraction]:
        """The rows' quantities in the unit of the charge."""
        if self.converted is not None:
            return self.converted
        return [number for group in self.groups for number in group.daily.quantities.numbers]

    @property
    def words(self) -> Words:
        """How the line speaks of what it prices."""
        return words_of(self.currency, self.billed_unit or self.unit, self.told)

    def add(self, steps: Iterable[Step]) -> None:
        """Put steps on the line."""
        for step in steps:
            self.steps.append(step)
            if step.amount:
                self.amount = self.amount + step.amount if self.amount else step.amount

    def weights(self) -> tuple[list[Column], Fraction]:
        """Return by what the line's amount is spread over its rows, by group, and the sum of that.

        What each row caused of the price; else its units; else (both cancel out) its size.
        """
        if self.group_amounts is not None and (total := _total(self.group_amounts)):
            return self.group_amounts, total
        if self.all_units:
            return self._columns(), self.all_units
        sizes = [
            Column([abs(numerator) for numerator in column.numerators], column.denominator)
            for column in (group.daily.quantities for group in self.groups)
        ]
        return sizes, _total(sizes)

    def _columns(self) -> list[Column]:
        if self.converted is not None:
            return columns_of(self.groups, self.converted)
        return [group.daily.quantities for group in self.groups]


def _total(columns: Iterable[Column]) -> Fraction:
    sums: dict[int, int] = {}
    for numerators, denominator in columns:
        sums[denominator] = sums.get(denominator, 0) + sum(numerators)
    return sum_exact(Fraction(numerator, denominator) for denominator, numerator in sums.items())
