"""Plans over the scaled traces, by the engine that simulates and the functions that bill."""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from examples.shift.scaling import END, HOURS_A_DAY, PEOPLE, START, Key, TraceHour, working_days
from services.pricing.book_files import BookFile, read_book_file
from services.pricing.domain.cost.overlay import OverlayPrice
from services.pricing.domain.cost.prices import Source, UnitPrice
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Cycle
from services.pricing.domain.readings import UsageOfSeat
from services.pricing.domain.simulation.reach import COSTED
from services.pricing.domain.split.seat_holders import with_seat_holders
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.timelines import SoldPlan, plan_of_content
from services.pricing.list_prices import list_prices
from services.pricing.simulation.backtest import Bench, TenantResult, price_reach, try_customers
from services.pricing.simulation.customers import Bill, Customer, bill_by, periods_in
from services.pricing.simulation.usage_store import (
    PEOPLE_COLUMNS,
    USAGE_COLUMNS,
    UsageStore,
    create_store,
)
from shared.currencies import CURRENCIES

FOLDER = Path(__file__).parent
DAYS = tuple(working_days())
GEMINI = {"input_uncached": "2", "input_cache_read": "0.2", "output_text": "12"}
MILLION = 1_000_000

Renamed = Callable[[str], str]
Units = Mapping[str, Mapping[str, int]]
"""Tenant → kind → what a trace hour counts of it."""


def provider_prices() -> ProviderPrices:
    """Return the list prices, with those of the one model that is not listed."""
    rows = [
        OverlayPrice(
            position,
            Source.MANUAL,
            *("gcp.gemini", "gemini-3.1-pro", kind),
            service_tier=None,
            batch=None,
            speed=None,
            effective_from=START,
            effective_to=None,
            price=UnitPrice(Fraction(amount) / MILLION),
        )
        for position, (kind, amount) in enumerate(GEMINI.items(), start=1)
    ]
    return ProviderPrices(list_prices(), rows)


def sold(file: BookFile, plan: str) -> SoldPlan:
    """Return a plan of a file."""
    found = plan_of_content(
        file.content, Terms(file.book, plan), price_version=1, price_hash=file.content_hash
    )
    assert found is not None, f"{file.book} has no plan {plan}"
    return found


def own_plans() -> dict[str, SoldPlan]:
    """Return the plans of the worked case, by the names that results have."""
    file = read_book_file(FOLDER / "plans.yaml")
    return {f"{file.book}/{plan.key}": sold(file, plan.key) for plan in file.content.plans}


def _as_it_is(model: str) -> str:
    return model


@dataclass(frozen=True)
class Year:
    """A year of the traces as usage. `renamed` puts other models in the place of those that ran.

    `units` are counted beside the tokens. With `by_person` each person is a customer.
    """

    hours: Mapping[str, TraceHour]
    renamed: Renamed = _as_it_is
    units: Units = field(default_factory=dict)
    by_person: bool = False

    def store(self, folder: Path) -> UsageStore:
        """Write the year to files, and read them as a store."""
        folder.mkdir(parents=True, exist_ok=True)
        files = folder / "usage.csv", folder / "people.csv"
        for file, columns, rows in (
            (files[0], USAGE_COLUMNS, self._usage()),
            (files[1], PEOPLE_COLUMNS, self._people()),
        ):
            with file.open("w", encoding="utf-8", newline="") as text:
                writer = csv.writer(text)
                writer.writerow(columns)
                writer.writerows(rows)
        path = folder / "usage.duckdb"
        path.unlink(missing_ok=True)
        create_store(path, *files)
        return UsageStore.open(path)

    def _usage(self) -> Iterator[tuple[Any, ...]]:
        for tenant, key, count in self._of_an_hour():
            provider, agent, model, kind, band = key
            rest = ("", "false", "", "", "production", "completed")
            for day in DAYS:
                row = (tenant, provider, agent, self.renamed(model), kind, band, *rest)
                yield (*row, day, count * HOURS_A_DAY)

    def _of_an_hour(self) -> Iterator[tuple[str, Key, int]]:
        for tenant, hour in self.hours.items():
            if self.by_person:
                for (user, model, kind), count in hour.by_user.items():
                    yield f"{tenant}.{user}", ("", "", model, kind, "unknown"), count
            else:
                yield from ((tenant, key, count) for key, count in hour.usage.items())
            for kind, count in self.units.get(tenant, {}).items():
                yield tenant, ("", "", "", kind, "unknown"), count

    def _people(self) -> Iterator[tuple[Any, ...]]:
        """Return who used what, a month at once: on its first day."""
        for tenant, hour in self.hours.items():
            for (user, model, kind), count in hour.by_user.items():
                name = f"{tenant}.{user}" if self.by_person else tenant
                for first, days in months():
                    quantity = count * HOURS_A_DAY * days
                    yield name, user, self.renamed(model), kind, first, quantity

    def customers(self) -> dict[str, int]:
        """Return who is a customer, with the seats that each pays for."""
        if not self.by_person:
            return dict(PEOPLE)
        return {
            f"{tenant}.{user}": 1
            for tenant, hour in self.hours.items()
            for user in sorted({user for user, _, _ in hour.by_user})
        }

    def used_by(self, tenant: str, first: date) -> list[UsageOfSeat]:
        """Return what each person used in a month."""
        days = dict(months())[first]
        return [
            UsageOfSeat(
                user,
                "",
                agent="",
                model=self.renamed(model),
                kind=kind,
                purpose="production",
                usage_day=first,
                quantity=Fraction(count * HOURS_A_DAY * days),
            )
            for (user, model, kind), count in self.hours[tenant].by_user.items()
        ]


def months() -> list[tuple[date, int]]:
    """Return the first day of each month, and how many of its days count."""
    firsts = sorted({day.replace(day=1) for day in DAYS})
    return [(first, sum(day.replace(day=1) == first for day in DAYS)) for first in firsts]


def try_plans(
    year: Year,
    store: UsageStore,
    today: SoldPlan,
    plans: Mapping[str, SoldPlan],
    *,
    elasticities: Sequence[Fraction] = (),
) -> list[TenantResult]:
    """Return what plans come to for each customer, against what it is on today."""
    prices = provider_prices()
    bench = Bench(
        prices,
        price_reach(store.kinds_of_price(COSTED), prices, DAYS),
        CURRENCIES["USD"],
        tuple(elasticities),
    )
    customers = [
        _customer(year, name, seats, today, plans) for name, seats in year.customers().items()
    ]
    return try_customers(store, customers, bench)


def _customer(
    year: Year, name: str, seats: int, today: SoldPlan, plans: Mapping[str, SoldPlan]
) -> Customer:
    told = Timeline(START, Cycle(1), Terms("", ""), seats=seats)
    periods = periods_in(told, START, END)

    def bills(plan: SoldPlan) -> tuple[Bill, ...]:
        made = (bill_by(period, told.stretches(period), plan) for period in periods)
        return tuple(_with_holders(year, name, bill) for bill in made)

    return Customer(name, bills(today), {key: bills(plan) for key, plan in plans.items()})


def _with_holders(year: Year, name: str, bill: Bill) -> Bill:
    """Return a bill that knows who used what of seats, where its plan asks."""
    parts = bill.priced.parts
    if not any(part.plan.pooled_by_seat for part in parts):
        return bill
    read = with_seat_holders(parts, (), year.used_by(name, bill.period.start))
    return replace(bill, priced=replace(bill.priced, parts=read))
