"""Trying plans on what tenants used: rows are added up by columns, then rated as bills are."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.cost.usage_cost import UsageCost, usage_cost
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import COST_CURRENCY, RatedAmounts
from services.pricing.domain.simulation.demand import demand_factor
from services.pricing.domain.simulation.persons import People, Revenue, minor_units_by_person
from services.pricing.domain.simulation.reach import COSTED, Reach
from services.pricing.domain.split.parts import Part
from services.pricing.domain.subscription.ownership import owner_of
from services.pricing.domain.usage import Usage, UsageGroup, canonical_usage
from services.pricing.handlers.rating import amounts_by_terms
from services.pricing.simulation.customers import Bill, Customer, Reaches, all_alike
from services.pricing.simulation.usage_store import Span, UsageStore
from shared.money import Currency, sum_exact

ONE = Fraction(1)
Rows = Sequence[Usage]
Groups = Sequence[UsageGroup]
TODAY = "today"
"""The name of what each tenant really is on."""


@dataclass(frozen=True)
class Bench:
    """What all tenants are tried by. `cost_reach` says where provider prices change."""

    prices: ProviderPrices
    cost_reach: Reach
    currency: Currency
    elasticities: tuple[Fraction, ...] = ()
    reaches: Reaches = field(default_factory=Reaches)


@dataclass(frozen=True)
class Tried:
    """A plan over a tenant's usage: each period's bill, and what people bring in, in minor units.

    `nobody` is the part that usage without a user brings in. `unrated` are (provider, model, kind).
    In `blocked` of the bills a limit of the plan blocks usage.
    """

    bills: tuple[tuple[date, Fraction], ...]
    people: tuple[int, ...] = ()
    nobody: int = 0
    unrated: tuple[tuple[str, str, str], ...] = ()
    blocked: int = 0

    @property
    def revenue(self) -> Fraction:
        return sum_exact([amount for _, amount in self.bills])


@dataclass(frozen=True)
class Answered:
    """What a plan brings in when usage answers to its price: `factor` x the usage."""

    factor: Fraction
    revenue: Fraction


@dataclass(frozen=True)
class TenantResult:
    """Everything that was tried on a tenant. `answered` is by (plan, elasticity).

    `days` are those of each period, `[start, end)`.
    """

    tenant_id: str
    subscriptions: tuple[str, ...]
    days: tuple[tuple[date, date], ...]
    people: int
    tokens: Fraction
    cost: UsageCost
    tried: Mapping[str, Tried]
    answered: Mapping[tuple[str, Fraction], Answered]
    anchor_day: int | None = None
    meters_missing: tuple[str, ...] = ()

    @property
    def periods(self) -> int:
        return len(self.days)


def price_reach(kinds: Iterable[Usage], prices: ProviderPrices, days: Sequence[date]) -> Reach:
    """Return what the cost of usage depends on: the days on which the price of any changes."""
    cuts = set()
    for row in kinds:
        before = None
        for day in days:
            found = prices.find(row._replace(usage_day=day))
            if before is not None and found != before:
                cuts.add(day)
            before = found
    return Reach(COSTED, frozenset(cuts))


def try_customers(
    store: UsageStore, customers: Sequence[Customer], bench: Bench
) -> list[TenantResult]:
    """Rate every bill of some tenants; their usage is in memory together."""
    used = _Used(store, bench)
    for customer in customers:
        for bill in _bills(customer):
            used.want(customer.tenant_id, bill.period, _reach(bill, bench))
        for period in customer.periods:
            used.want(customer.tenant_id, period, bench.cost_reach)
    used.read()
    spans = [
        Span(place, customer.tenant_id, period.start, period.end)
        for place, customer in enumerate(customers)
        for period in customer.periods
    ]
    by_user = store.people(spans)
    return [
        _try_customer(used, customer, People(by_user.get(place, {}), customer.seats))
        for place, customer in enumerate(customers)
    ]


@dataclass
class _Used:
    """The usage of some tenants, read at once for each reach."""

    store: UsageStore
    bench: Bench
    wanted: dict[Reach, dict[tuple[str, Period], int]] = field(default_factory=dict)
    found: dict[Reach, dict[int, list[Usage]]] = field(default_factory=dict)
    grouped: dict[tuple[Reach, int], Groups] = field(default_factory=dict)

    def want(self, tenant_id: str, period: Period, reach: Reach) -> None:
        """Note that a bill needs the tenant's usage of a period."""
        keys = self.wanted.setdefault(reach, {})
        keys.setdefault((tenant_id, period), len(keys))

    def read(self) -> None:
        for reach, keys in self.wanted.items():
            spans = [
                Span(key, tenant_id, start, end)
                for (tenant_id, period), key in keys.items()
                for start, end in reach.spans(period.start, period.end)
            ]
            self.found[reach] = self.store.rows(spans, reach)

    def of(self, tenant_id: str, period: Period, reach: Reach) -> Rows:
        return self.found[reach].get(self.wanted[reach][tenant_id, period], [])

    def groups_of(self, tenant_id: str, period: Period, reach: Reach) -> Groups:
        """Return the same as ratings take it; plans that depend on the same share it."""
        key = (reach, self.wanted[reach][tenant_id, period])
        found = self.grouped.get(key)
        if found is None:
            found = self.grouped[key] = canonical_usage(self.of(tenant_id, period, reach))
        return found


def _bills(customer: Customer) -> Iterable[Bill]:
    yield from customer.today
    for bills in customer.by_plan.values():
        yield from bills


def _reach(bill: Bill, bench: Bench) -> Reach:
    """Return what a bill depends on, with the days on which its own terms change."""
    starts = [part.period.start for part in bill.priced.parts[1:]]
    reach = bench.reaches.of(bill)
    if not (starts or reach.cuts):
        return reach
    inside = frozenset(c for c in reach.cuts if bill.period.start < c < bill.period.end)
    return replace(reach, cuts=inside | frozenset(starts))


def _try_customer(used: _Used, customer: Customer, people: People) -> TenantResult:
    bench = used.bench
    costed = [
        row
        for period in customer.periods
        for row in used.of(customer.tenant_id, period, bench.cost_reach)
    ]
    tried = {TODAY: _try(used, customer, customer.today, people)}
    answered = {}
    for name, bills in customer.by_plan.items():
        on_it = all_alike(bills, customer.today)
        tried[name] = tried[TODAY] if on_it else _try(used, customer, bills, people)
        for elasticity in bench.elasticities:
            answered[name, elasticity] = _answer(
                used, customer, bills, elasticity, (tried[TODAY].revenue, tried[name].revenue)
            )
    return TenantResult(
        tenant_id=customer.tenant_id,
        subscriptions=customer.subscriptions,
        days=tuple((period.start, period.end) for period in customer.periods),
        people=people.count,
        tokens=tokens_of(costed),
        cost=usage_cost(costed, bench.prices),
        tried=tried,
        answered=answered,
        anchor_day=customer.anchor_day,
        meters_missing=customer.meters_missing,
    )


def tokens_of(rows: Iterable[Usage]) -> Fraction:
    """Return the tokens of rows, whatever their type; units of other kinds are none."""
    return sum_exact(r.quantity for r in rows if r.kind.startswith(("input_", "output_")))


def _try(used: _Used, customer: Customer, bills: Sequence[Bill], people: People) -> Tried:
    revenue, amounts, unrated, blocked = Revenue(), [], set(), 0
    for bill in bills:
        rated = _rate(used, customer, bill)
        revenue.add(rated.lines)
        amounts.append((bill.period.start, rated.total))
        unrated |= {(row.provider, row.model, row.kind) for row in rated.unrated}
        blocked += any(line.blocked for line in rated.lines)
    by_person, nobody = minor_units_by_person(revenue, people, used.bench.currency)
    return Tried(tuple(amounts), tuple(by_person), nobody, tuple(sorted(unrated)), blocked)


def _answer(
    used: _Used,
    customer: Customer,
    bills: Sequence[Bill],
    elasticity: Fraction,
    revenue: tuple[Fraction, Fraction],
) -> Answered:
    before, after = revenue
    factor = demand_factor(elasticity, before=before, after=after)
    if factor == ONE:
        return Answered(ONE, after)
    totals = [_rate(used, customer, bill, factor).total for bill in bills]
    return Answered(factor, sum_exact(totals))


def _rate(used: _Used, customer: Customer, bill: Bill, factor: Fraction = ONE) -> RatedAmounts:
    reach = _reach(bill, used.bench)
    parts = bill.priced.parts
    metered = [row for part in parts for row in part.readings.metered()]
    costly = any(part.plan.needs_cost for part in parts)
    if factor == ONE and not (metered or costly or bill.holders):
        groups = used.groups_of(customer.tenant_id, bill.period, reach)
        return amounts_by_terms(bill.priced, groups)
    rows = used.of(customer.tenant_id, bill.period, reach)
    if bill.holders:
        rows = [row for row in rows if owner_of(row, bill.holders) == bill.owner]
    priced = bill.priced
    if factor != ONE:
        rows = [row._replace(quantity=row.quantity * factor) for row in rows]
        priced = replace(priced, parts=[_scaled(part, factor) for part in parts])
    if costly and used.bench.currency.code == COST_CURRENCY:
        rows = [row._replace(cost=used.bench.prices.cost(row)) for row in rows]
    return amounts_by_terms(priced, canonical_usage([*rows, *metered]))


def _scaled(part: Part, factor: Fraction) -> Part:
    """Return a part in which users used `factor` times as much of their seats."""
    if not part.readings.usage_of_seats:
        return part
    rows = tuple(
        replace(row, quantity=row.quantity * factor) for row in part.readings.usage_of_seats
    )
    return replace(part, readings=replace(part.readings, usage_of_seats=rows))
