"""What a simulation needs of an account: its plans, its tenants, the terms of their bills."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Cycle
from services.pricing.domain.split.parts import Part
from services.pricing.domain.subscription.changes import Cancel
from services.pricing.domain.subscription.ownership import Holder
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.beside_usage import RatedDays, read_beside
from services.pricing.handlers.catalog import read_version
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.rating import price_period
from services.pricing.handlers.sharing import read_holders
from services.pricing.handlers.timelines import (
    KnownPlans,
    SoldPlan,
    plan_of_content,
    timeline_of,
)
from services.pricing.repository import catalog, subscription_changes, subscriptions
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.simulation import PlanChoice, SeatCounts, SimulationWrite
from services.pricing.simulation.customers import (
    Bill,
    Customer,
    bill_by,
    on_one_plan,
    periods_in,
    with_users,
)
from services.pricing.simulation.usage_store import Span, UsageStore
from shared.accounts.repository import Account, list_tenants
from shared.errors import Fault, TallyrollError, not_found

TENANTS_AT_ONCE = 1_000
INTERNAL = "internal"


async def read_plans(
    connection: AsyncConnection, account: Account, asked: SimulationWrite
) -> dict[str, SoldPlan]:
    """Return the plans by the names that results have; raises `invalid_simulation`.

    They may be of drafts. All have one currency: sums of several mean nothing.
    """
    found: dict[str, SoldPlan] = {}
    faults = []
    for place, choice in enumerate(asked.plans):
        try:
            found[choice.name] = await _read_plan(connection, account, choice)
        except TallyrollError as error:
            faults.append(Fault(error.code, f"plans[{place}]", error.message))
    if len({sold.currency for sold in found.values()}) > 1:
        message = "The plans have several currencies: simulate those of one together."
        faults.append(Fault("mixed_currencies", "plans", message))
    if faults:
        message = f"The simulation has {len(faults)} faults; none of it was stored."
        raise TallyrollError("invalid_simulation", message, faults=faults)
    return found


async def _read_plan(connection: AsyncConnection, account: Account, choice: PlanChoice) -> SoldPlan:
    book = choice.price_book
    await catalog.read_book(connection, account, book)
    if choice.version is None:
        row = await catalog.latest_version(connection, account, book)
        if row is None:
            raise not_found("price_version", book)
    else:
        row = await read_version(connection, account, book, choice.version)
    content = PriceBookContent.model_validate(row["content"])
    sold = plan_of_content(
        content,
        Terms(book, choice.plan),
        price_version=row["version"],
        price_hash=row["content_hash"],
    )
    if sold is None:
        raise not_found("plan", choice.plan)
    return sold


@dataclass(frozen=True)
class Sides:
    """What the customers of a simulation are made of. `singles` are meters that do not add up."""

    account: Account
    days: tuple[date, date]
    plans: Mapping[str, SoldPlan]
    seats: SeatCounts
    singles: frozenset[str]
    known: KnownPlans = field(default_factory=KnownPlans)

    @property
    def currency(self) -> str:
        return next(iter(self.plans.values())).currency


async def list_billed(
    connection: AsyncConnection, account: Account, using: Sequence[str]
) -> tuple[list[str], dict[str, str]]:
    """Return the tenants that are ever billed and used something, or are subscribed; others why."""
    tenants: dict[str, RowMapping] = {}
    after = ""
    while page := await list_tenants(connection, account, after=after, limit=TENANTS_AT_ONCE):
        tenants |= {row["tenant_id"]: row for row in page}
        after = page[-1]["tenant_id"]
    rows = await subscriptions.list_of_tenant(connection, account, None)
    wanted = sorted({*using, *(row["tenant_id"] for row in rows)})
    internal = {
        name: "internal: never billed"
        for name in wanted
        if name in tenants and tenants[name]["billing"] == INTERNAL
    }
    return [name for name in wanted if name not in internal], internal


async def read_customers(
    connection: AsyncConnection, sides: Sides, store: UsageStore, tenant_ids: Sequence[str]
) -> list[Customer]:
    """Return tenants with every bill of the window, today's and each plan's.

    A tenant without a period in the window is left out.
    """
    account = sides.account
    rows = await subscriptions.list_of_tenants(connection, account, tenant_ids)
    changed = [row["subscription_id"] for row in rows if row["changes"]]
    changes = await subscription_changes.list_of_many(connection, account, changed)
    drafts = []
    for tenant_id in tenant_ids:
        own = [row for row in rows if row["tenant_id"] == tenant_id]
        told = [(row, timeline_of(row, changes.get(row["subscription_id"], ()))) for row in own]
        drafts.append(await _draft(connection, sides, tenant_id, told))
    if sides.seats != "declared":
        drafts = _with_users(sides, store, drafts)
    return [c for c in await _with_readings(connection, sides, drafts) if c.periods]


Told = Sequence[tuple[RowMapping, Timeline]]


async def _draft(connection: AsyncConnection, sides: Sides, tenant_id: str, told: Told) -> Customer:
    start, end = sides.days
    today = []
    for row, timeline in told:
        today += await _bills_today(connection, sides, row, timeline)
    base = _base(told, sides.days)
    placed = on_one_plan(base)
    cut = [(period, placed.stretches(period)) for period in periods_in(base, start, end)]
    by_plan = {
        name: tuple(bill_by(*stretches, sold) for stretches in cut)
        for name, sold in sides.plans.items()
    }
    ids = tuple(row["subscription_id"] for row, _ in told)
    anchor = told[0][0]["anchor_day"] if len(told) == 1 else None
    return Customer(tenant_id, tuple(today), by_plan, ids, anchor_day=anchor)


def _base(told: Told, days: tuple[date, date]) -> Timeline:
    """Return the timeline that plans are tried on: of all days that a tenant is subscribed on.

    Its periods and seats are those of the subscription that began first. Who has none is tried
    from the first day of the window on, by calendar months.
    """
    if not told:
        start, end = days
        return Timeline(start, Cycle(1), Terms("", ""), ends_on=end - timedelta(days=1))
    ranked = sorted(told, key=lambda one: (one[1].starts_on, one[0]["subscription_id"]))
    first = ranked[0][1]
    ends = [timeline.last_day for _, timeline in told]
    last = None if None in ends else max(day for day in ends if day is not None)
    if len(told) == 1:
        return first
    changes = tuple(change for change in first.changes if not isinstance(change.event, Cancel))
    return replace(first, ends_on=last, changes=changes)


async def _bills_today(
    connection: AsyncConnection, sides: Sides, row: RowMapping, timeline: Timeline
) -> list[Bill]:
    """Return a subscription's bills, by the terms of each day; without a version there is none."""
    bills = []
    start, end = sides.days
    periods = periods_in(timeline, start, end)
    holders: Sequence[Holder] = ()
    if row["shares"] and periods:
        days = _days(periods[0].start, periods[-1].end)
        holders = await read_holders(connection, sides.account, row["tenant_id"], days)
    for period in periods:
        priced = await price_period(
            connection, sides.account, row, timeline=timeline, period=period, plans=sides.known
        )
        if priced is not None:
            bills.append(Bill(priced, row["subscription_id"], holders))
    return bills


def _days(start: date, end: date) -> list[date]:
    return [start + timedelta(days=n) for n in range((end - start).days)]


def _with_users(sides: Sides, store: UsageStore, drafts: Sequence[Customer]) -> list[Customer]:
    """Return customers with as many seats as users, where plans are to have them."""
    keyed = [(customer, period) for customer in drafts for period in customer.periods]
    spans = [
        Span(key, customer.tenant_id, period.start, period.end)
        for key, (customer, period) in enumerate(keyed)
    ]
    counts = store.users(spans)
    users = {
        (customer.tenant_id, period): counts.get(key, 0)
        for key, (customer, period) in enumerate(keyed)
    }
    always = sides.seats == "users"

    def counted(tenant_id: str, bill: Bill) -> Bill:
        return with_users(bill, users[tenant_id, bill.period], always=always)

    return [
        replace(
            customer,
            by_plan={
                name: tuple(counted(customer.tenant_id, bill) for bill in bills)
                for name, bills in customer.by_plan.items()
            },
        )
        for customer in drafts
    ]


async def _with_readings(
    connection: AsyncConnection, sides: Sides, drafts: Sequence[Customer]
) -> list[Customer]:
    """Return customers whose bills have all that is read beside usage, of all tenants at once."""
    bills = [
        (customer, name, bill)
        for customer in drafts
        for name, some in ((None, customer.today), *customer.by_plan.items())
        for bill in some
    ]
    wanted = [_to_read(sides, customer, bill) for customer, _, bill in bills]
    read = await read_beside(connection, sides.account, wanted)
    missing: dict[str, set[str]] = {}
    done: dict[tuple[str, str | None], list[Bill]] = {}
    for (customer, name, bill), parts in zip(bills, read, strict=True):
        final = bill.period.end if name is None else None
        lookup = MeterLookup(sides.account, sides.singles, booked_before=final)
        found: Sequence[Part] = await lookup.read(connection, customer.tenant_id, parts)
        tenant_id = customer.tenant_id
        missing.setdefault(tenant_id, set()).update(one.kind for one in lookup.missing)
        same = found == bill.priced.parts
        whole = bill if same else replace(bill, priced=replace(bill.priced, parts=found))
        done.setdefault((tenant_id, name), []).append(whole)
    return [
        replace(
            customer,
            today=tuple(done.get((customer.tenant_id, None), ())),
            by_plan={
                name: tuple(done.get((customer.tenant_id, name), ())) for name in customer.by_plan
            },
            meters_missing=tuple(sorted(missing.get(customer.tenant_id, ()))),
        )
        for customer in drafts
    ]


def _to_read(sides: Sides, customer: Customer, bill: Bill) -> RatedDays:
    owner = bill.owner or next(iter(customer.subscriptions), None)
    return RatedDays(customer.tenant_id, owner, bill.priced.parts, sides.days[1])


def in_one_currency(customer: Customer, currency: str) -> bool:
    """Tell whether what a tenant pays today can be held against plans of a currency."""
    return all(bill.priced.sold[-1].currency == currency for bill in customer.today)
