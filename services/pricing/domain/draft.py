"""A line while it is rated. The steps of the pipeline write on it, one after the other."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.price import Situation
from services.pricing.domain.meters import MeterReading
from services.pricing.domain.pools import Balances, PoolUse
from services.pricing.domain.readings import Readings
from services.pricing.domain.step import Step
from services.pricing.domain.usage import Usage
from services.pricing.domain.words import Words
from shared.money import Currency, sum_exact


@dataclass
class Draft:
    """A charge, the usage that it claims, and what has become of it so far.

    `quantity` is what was used, in units of usage. `units` are each row's in the unit of the
    charge, `all_units` their sum, `billable` what of it is left to price. `row_amounts` say what
    each row caused of the price, where rows have prices of their own. `balances` are shared with
    other lines. `meters` are the single values among what is claimed, by kind.
    """

    charge: Charge
    rows: tuple[Usage, ...]
    situation: Situation
    readings: Readings
    currency: Currency
    balances: Balances
    quantity: Fraction = Fraction(0)
    unit: str = ""
    billed_unit: str = ""
    units: list[Fraction] = field(default_factory=list)
    all_units: Fraction = Fraction(0)
    billable: Fraction = Fraction(0)
    events: tuple[Fraction, ...] = ()
    row_amounts: list[Fraction] | None = None
    steps: list[Step] = field(default_factory=list)
    amount: Fraction = Fraction(0)
    pools: list[PoolUse] = field(default_factory=list)
    blocked: Fraction = Fraction(0)
    meters: tuple[tuple[str, MeterReading], ...] = ()

    @property
    def words(self) -> Words:
        """How the line speaks of what it prices."""
        return Words(self.currency, self.billed_unit or self.unit)

    def add(self, steps: Iterable[Step]) -> None:
        """Put steps on the line."""
        for step in steps:
            self.steps.append(step)
            if step.amount:
                self.amount = self.amount + step.amount if self.amount else step.amount

    def weights(self) -> tuple[list[Fraction], Fraction]:
        """Return by what the line's amount is spread over its rows, and the sum of that.

        What each row caused of the price; else its units; else (both cancel out) its size.
        """
        if self.row_amounts is not None and (total := sum_exact(self.row_amounts)):
            return self.row_amounts, total
        if self.all_units:
            return self.units, self.all_units
        sizes = [abs(row.quantity) for row in self.rows]
        return sizes, sum_exact(sizes)
