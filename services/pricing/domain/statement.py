"""What a rating comes to: lines with exact amounts, their parts and their steps."""

from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction

from services.pricing.domain.cost.usage_cost import UsageCost
from services.pricing.domain.details import Details
from services.pricing.domain.meters import MeterReading
from services.pricing.domain.pools import PoolUse
from services.pricing.domain.step import Step
from shared.money import sum_exact


@dataclass(frozen=True)
class AdjustedPeriod:
    """The closed period that a line adjusts, `[period_start, period_end)`, and its statement."""

    statement_id: str
    subscription_id: str
    period_start: date
    period_end: date

    @property
    def words(self) -> str:
        """Return "2023-11-01 to 2023-11-30", both days included."""
        return _days(self.period_start, self.period_end)


@dataclass(frozen=True)
class FeePeriod:
    """The days `[period_start, period_end)` that a fee in advance is for.

    `statement_id`: the line changes what this statement charged for them.
    """

    period_start: date
    period_end: date
    statement_id: str | None = None

    @property
    def words(self) -> str:
        """Return "2023-11-01 to 2023-11-30", both days included."""
        return _days(self.period_start, self.period_end)


def _days(start: date, end: date) -> str:
    return f"{start} to {end - timedelta(days=1)}"


@dataclass(frozen=True)
class Line:
    """What one charge comes to. The details of a usage line sum to it exactly.

    `quantity` is what was used, before conversion and without regard to what was included.
    `pools` say what the line took from pools. `blocked` is what lay above them and is not billed:
    units, or money where the pools hold money. `cost` is what the usage takes at its providers;
    None where the line has no usage of its own (fees, surcharges), or costs were not asked for.
    `adjusts`: the line is the difference of an earlier period. `advance`: it is a fee in advance.
    `credited`: it takes off what this statement, a progressive one, invoiced of the period before.
    `meters` are the single values that the quantity holds, by kind; the steps tell of them, so they
    are in the hashes.
    """

    line_key: str
    charge: str
    model: str
    name: str
    quantity: Fraction
    unit: str
    amount: Fraction
    steps: tuple[Step, ...]
    details: Details
    pools: tuple[PoolUse, ...] = ()
    blocked: Fraction = Fraction(0)
    cost: UsageCost | None = None
    adjusts: AdjustedPeriod | None = None
    advance: FeePeriod | None = None
    meters: tuple[tuple[str, MeterReading], ...] = ()
    credited: str | None = None


@dataclass(frozen=True)
class Unrated:
    """Usage that no charge claims, or whose price is not known."""

    provider: str
    model: str
    kind: str
    quantity: Fraction


@dataclass(frozen=True)
class RatedStatement:
    """A rated period. The same input gives the same hashes.

    `cost` is that of all usage, also of what is unrated; it is no part of the hashes.
    """

    lines: tuple[Line, ...]
    unrated: tuple[Unrated, ...]
    total: Fraction
    input_hash: str
    rating_hash: str
    cost: UsageCost | None = None

    @property
    def revenue(self) -> Fraction:
        """What all of it brings in: also what other statements of the period have invoiced."""
        credited = (line.amount for line in self.lines if line.credited is not None)
        return self.total - sum_exact(credited)
