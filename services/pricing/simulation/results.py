"""What was tried, put together: sums, distributions, and how it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from math import lcm

from services.pricing.domain.column import Column
from services.pricing.domain.distribution import Distribution
from services.pricing.domain.rating import COST_CURRENCY
from services.pricing.domain.simulation.break_even import BreakEven
from services.pricing.domain.simulation.outcomes import Group, Outcome, Sum
from services.pricing.schemas import simulation_result as schemas
from services.pricing.schemas.simulation import SeatCounts
from services.pricing.simulation.backtest import TODAY, TenantResult, Tried
from services.pricing.simulation.mean_person import SeatBreaksEven
from shared.money import (
    Currency,
    format_decimal,
    format_exact,
    nearest_decimal,
    round_to_minor_units,
    sum_exact,
)

PLACES = Decimal("0.000001")
HUNDRED = 100
ASSUMPTIONS = (
    "Usage is that of the past, unchanged, except in scenarios with an elasticity.",
    "Fees in advance count in the period that they are for, whichever statement charges them.",
    "A tenant's periods, pauses and trials are those of its subscription that began first.",
    "Late usage and corrections booked by the end of the window count on the day they belong to.",
    "Coupons, tax and prepaid credits come after rating: revenue is before all of them.",
    "A person is a user that events name, or a seat that nobody used; fees are shared equally.",
)
SEATS = {
    "declared": "Seats are those that a tenant pays for today.",
    "users": "Plans have as many seats as users used something in the period.",
    "declared_or_users": "Plans have the seats that a tenant pays for today, or else as many as "
    "users used something in the period.",
}


@dataclass(frozen=True)
class Writer:
    """Writes results in one currency. Costs are known in US dollars: elsewhere there is none."""

    currency: Currency

    def money(self, amount: Fraction) -> schemas.Money:
        """Return an amount exact, and rounded to minor units."""
        units = round_to_minor_units(amount, self.currency)
        shown = Decimal(units).scaleb(-self.currency.exponent)
        return schemas.Money(exact=format_exact(amount), shown=format(shown, "f"))

    def maybe(self, amount: Fraction | None) -> schemas.Money | None:
        return None if amount is None else self.money(amount)

    def cost(self, cost: Fraction, complete: bool) -> schemas.Money | None:
        return self.money(cost) if complete and self._costed else None

    def margin(self, amount: Fraction | None) -> schemas.Money | None:
        return self.maybe(amount) if self._costed else None

    @property
    def _costed(self) -> bool:
        return self.currency.code == COST_CURRENCY

    def plan(
        self, name: str, results: Sequence[TenantResult], content_hash: str | None
    ) -> schemas.PlanOutcome:
        """Return a plan over all tenants."""
        outcomes = [outcome_of(result, name) for result in results]
        total = Sum.of(outcomes)
        tried = [result.tried[name] for result in results]
        return schemas.PlanOutcome(
            plan=name,
            content_hash=content_hash,
            revenue=self.money(total.revenue),
            change=self.money(total.change),
            change_percent=percent_of(total.change, total.today),
            cost=self.cost(total.cost, total.complete),
            margin=self.margin(total.margin.amount),
            margin_percent=self._margin_percent(total),
            pays_more=self._changed(total.pays_more),
            pays_less=self._changed(total.pays_less),
            unchanged=total.unchanged,
            people=self._people(results, tried),
            answers=self._answers(name, results),
            unrated=[list(row) for row in sorted({row for one in tried for row in one.unrated})],
            blocked_bills=sum(one.blocked for one in tried),
            tenants=[
                self._tenant(outcome, result, result.tried[name])
                for outcome, result in zip(outcomes, results, strict=True)
            ],
        )

    def _margin_percent(self, total: Sum) -> str | None:
        share = total.margin.share if self._costed else None
        return None if share is None else number(share * HUNDRED)

    def _changed(self, group: Group) -> schemas.Changed:
        return schemas.Changed(tenants=group.tenants, change=self.money(group.change))

    def _people(self, results: Sequence[TenantResult], tried: Sequence[Tried]) -> schemas.People:
        """Return what people bring in a month: over the window, by the periods of their tenant."""
        unit = Fraction(1, 10**self.currency.exponent)
        periods = lcm(*(result.periods for result in results))
        amounts = [
            units * (periods // result.periods)
            for result, one in zip(results, tried, strict=True)
            for units in one.people
        ]
        spread = Distribution.of(Column(amounts, periods * unit.denominator))
        pairs = [
            (units, before)
            for result, one in zip(results, tried, strict=True)
            for units, before in zip(one.people, result.tried[TODAY].people, strict=True)
        ]
        shares = {name: getattr(spread, name) for name in ("top_decile_share", "gini")}
        names = ("mean", "median", "p90", "p99", "largest")
        return schemas.People(
            count=spread.count,
            **{name: self.maybe(getattr(spread, name)) for name in names},
            **{name: None if v is None else number(v) for name, v in shares.items()},
            more_than_today=sum(units > before for units, before in pairs),
            less_than_today=sum(units < before for units, before in pairs),
            nobody=self.money(sum(one.nobody for one in tried) * unit),
        )

    def _answers(self, name: str, results: Sequence[TenantResult]) -> list[schemas.Answer]:
        found = []
        for plan, elasticity in results[0].answered if results else ():
            if plan != name:
                continue
            answers = [result.answered[plan, elasticity] for result in results]
            costs = [
                result.cost.known * answer.factor
                for result, answer in zip(results, answers, strict=True)
            ]
            complete = not any(result.cost.unpriced for result in results)
            revenue, cost = sum_exact(a.revenue for a in answers), sum_exact(costs)
            found.append(
                schemas.Answer(
                    elasticity=format_exact(elasticity),
                    revenue=self.money(revenue),
                    cost=self.cost(cost, complete),
                    margin=self.margin(revenue - cost if complete else None),
                )
            )
        return found

    def _tenant(
        self, outcome: Outcome, result: TenantResult, tried: Tried
    ) -> schemas.TenantOutcome:
        return schemas.TenantOutcome(
            tenant_id=outcome.tenant_id,
            periods=result.periods,
            people=result.people,
            revenue=self.money(outcome.revenue),
            today=self.money(outcome.today),
            change=self.money(outcome.change),
            change_percent=percent_of(outcome.change, outcome.today),
            cost=self.cost(outcome.cost, outcome.complete),
            margin=self.margin(outcome.margin.amount),
            unrated=len(tried.unrated),
        )

    def seat(self, even: SeatBreaksEven) -> schemas.SeatEven:
        """Return where a seat breaks even."""
        cost = even.against_cost
        return schemas.SeatEven(
            plan=even.plan,
            seat_fee=self.money(even.fee),
            cost_reaches_fee_at=None if cost is None else _even_at(cost),
            usage_costs_as_much_at={name: _even_at(one) for name, one in even.against.items()},
        )


def _even_at(even: BreakEven) -> schemas.EvenAt:
    texts = [None if value is None else number(value) for value in (even.multiple, even.tokens)]
    return schemas.EvenAt(multiple=texts[0], tokens=texts[1])


def outcome_of(result: TenantResult, name: str) -> Outcome:
    """Return what a plan comes to for a tenant, against today."""
    return Outcome(
        result.tenant_id,
        result.tried[name].revenue,
        result.tried[TODAY].revenue,
        cost=result.cost.known,
        complete=not result.cost.unpriced,
    )


def number(value: Fraction) -> str:
    """Write a ratio or a number of tokens to six places: it is shown, never computed with."""
    context = Context(prec=60, rounding=ROUND_HALF_EVEN)
    return format_decimal(context.quantize(nearest_decimal(value), PLACES))


def percent_of(change: Fraction, before: Fraction) -> str | None:
    """Return a change in percent; None where there was nothing before."""
    return number(change / before * HUNDRED) if before > 0 else None


@dataclass(frozen=True)
class Tested:
    """Everything that a simulation found, before it is written."""

    days: tuple[date, date]
    currency: Currency
    results: Sequence[TenantResult]
    hashes: Mapping[str, str]
    left_out: Mapping[str, str]
    seats: SeatCounts
    mean_tokens: Fraction | None
    even: Sequence[SeatBreaksEven]


def written(tested: Tested, migration: schemas.MigrationResult | None) -> schemas.SimulationResult:
    """Return a result as the API tells it."""
    writer = Writer(tested.currency)
    start, end = tested.days
    plans = [writer.plan(TODAY, tested.results, None)]
    plans += [writer.plan(name, tested.results, digest) for name, digest in tested.hashes.items()]
    missing = sorted({kind for result in tested.results for kind in result.meters_missing})
    notes = [*ASSUMPTIONS, SEATS[tested.seats]]
    if missing:
        notes.append(f"No values are known of {', '.join(missing)}: they count as none.")
    mean = tested.mean_tokens
    return schemas.SimulationResult(
        start=start,
        end=end,
        currency=tested.currency.code,
        tenants=len(tested.results),
        left_out=dict(tested.left_out),
        assumptions=notes,
        plans=plans,
        mean_person_tokens=None if mean is None else number(mean),
        seats=[writer.seat(even) for even in tested.even],
        migration=migration,
    )
