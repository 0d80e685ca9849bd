"""The mean person, and the usage at which a seat of it breaks even."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from math import ceil

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.cost.usage_cost import usage_cost
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import COST_CURRENCY, RatingTerms, rate_period
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import ANY_CLASS, Seats
from services.pricing.domain.simulation.break_even import (
    BreakEven,
    cost_break_even,
    price_break_even,
)
from services.pricing.domain.usage import Usage
from services.pricing.handlers.timelines import SoldPlan
from services.pricing.simulation.backtest import tokens_of
from services.pricing.simulation.customers import seat_classes, seats_for
from shared.currencies import CURRENCIES

ZERO = Fraction(0)


@dataclass(frozen=True)
class MeanPerson:
    """What one person used in a month on average, in a tenant of `people` (the mean, rounded up).

    Pools and fees of an organisation are shared by that many.
    """

    rows: Sequence[Usage]
    people: int
    period: Period

    @classmethod
    def of(
        cls, total: Sequence[Usage], *, person_months: int, tenants: int, people: int, month: Period
    ) -> "MeanPerson":
        """Return the mean of all usage; `person_months` and `tenants` are 1 or more."""
        rows = [
            row._replace(quantity=row.quantity / person_months, usage_day=month.start)
            for row in total
        ]
        return cls(rows, max(ceil(Fraction(people, tenants)), 1), month)

    @property
    def tokens(self) -> Fraction:
        return tokens_of(self.rows)

    def bill(self, sold: SoldPlan, multiple: Fraction, prices: ProviderPrices) -> Fraction:
        """Return what a month of `multiple` x this usage costs by a plan, for one person."""
        factor = multiple * self.people
        rows = [row._replace(quantity=row.quantity * factor) for row in self.rows]
        seats = seats_for(sold.plan, Seats.of(self.people))
        currency = CURRENCIES[sold.currency]
        terms = RatingTerms(sold.price_hash, sold.plan, currency, seats, self.period)
        readings = Readings(usage_of_seats=tuple(self._used_by_seats(sold.plan, multiple)))
        costly = prices if sold.plan.needs_cost else None
        return rate_period(terms, rows, readings, prices=costly).total / self.people

    def _used_by_seats(self, plan: Plan, multiple: Fraction) -> Sequence[UsageOfSeat]:
        """Return who used what of seats' own pools: everybody the same."""
        if not plan.pooled_by_seat:
            return ()
        seat_class = next(iter(seat_classes(plan)), ANY_CLASS)
        return [
            UsageOfSeat(
                f"person-{number}",
                seat_class,
                agent=row.agent,
                model=row.model,
                kind=row.kind,
                purpose=row.purpose,
                usage_day=row.usage_day,
                quantity=row.quantity * multiple,
            )
            for number in range(self.people)
            for row in self.rows
        ]


@dataclass(frozen=True)
class SeatBreaksEven:
    """A plan with seats. `fee` is what a seat brings in without usage.

    `against_cost`: beyond it the fee does not pay the provider; None: nobody knows all costs.
    `against`: by plan without seats, from which on the person would pay at least as much there.
    """

    plan: str
    fee: Fraction
    against_cost: BreakEven | None
    against: Mapping[str, BreakEven]


def seats_break_even(
    mean: MeanPerson, plans: Mapping[str, SoldPlan], prices: ProviderPrices
) -> list[SeatBreaksEven]:
    """Return where seats break even, for each plan that has any; costs are US dollars."""
    seated = {name: sold for name, sold in plans.items() if seat_classes(sold.plan)}
    cost = usage_cost(mean.rows, prices)
    found = []
    for name, seat in seated.items():
        fee = mean.bill(seat, ZERO, prices)
        against_cost = None
        if not cost.unpriced and seat.currency == COST_CURRENCY:
            against_cost = BreakEven.of(cost_break_even(fee, cost.known), mean.tokens)
        against = {}
        for other, usage in plans.items():
            if other in seated:
                continue
            bills = [partial(_bill, mean, one, prices) for one in (seat, usage)]
            multiple = price_break_even(*bills)
            against[other] = BreakEven.of(multiple, mean.tokens)
        found.append(SeatBreaksEven(name, fee, against_cost, against))
    return found


def _bill(mean: MeanPerson, sold: SoldPlan, prices: ProviderPrices, multiple: Fraction) -> Fraction:
    return mean.bill(sold, multiple, prices)
