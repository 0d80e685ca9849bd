"""One simulation from snapshot to result: two processes rate, each some tenants at a time."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.simulation.reach import COSTED, Reach, reach_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.simulating import (
    Sides,
    in_one_currency,
    list_billed,
    read_customers,
    read_plans,
)
from services.pricing.handlers.timelines import SoldPlan
from services.pricing.list_prices import list_prices
from services.pricing.repository import meters
from services.pricing.schemas.simulation import SimulationResult, SimulationWrite
from services.pricing.simulation.backtest import (
    Bench,
    TenantResult,
    price_reach,
    try_customers,
)
from services.pricing.simulation.mean_person import MeanPerson, seats_break_even
from services.pricing.simulation.moving import plan_migration
from services.pricing.simulation.results import Tested, written
from services.pricing.simulation.snapshot import copy_usage, join_snapshot, take_snapshot
from services.pricing.simulation.usage_store import Span, UsageStore
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.database import Database
from shared.garbage import ALLOCATIONS_PER_COLLECTION

PROCESSES_MAX = 2
TENANTS_AT_ONCE = 25
"""Tenants whose usage is in memory together, in each process."""


@dataclass(frozen=True)
class Task:
    """What a process needs to rate tenants: small, since it goes through a pipe."""

    url: str
    snapshot: str
    account: Account
    asked: SimulationWrite
    store: Path
    cost_reach: Reach


async def simulate(url: str, account: Account, asked: SimulationWrite) -> SimulationResult:
    """Run a simulation; raises what reading its plans or its usage raises."""
    database = Database(url, connections=2)
    try:
        with TemporaryDirectory(prefix="tallyroll-simulation-") as folder, _Pool() as pool:
            async with database.transaction("REPEATABLE READ") as connection:
                snapshot = await take_snapshot(connection)
                plans = await read_plans(connection, account, asked)
                prices = await load_prices(connection, account)
                subscribed, _ = await list_billed(connection, account, [])
                pool.expect(len(subscribed))
                path = await _copied(database, connection, (snapshot, account, asked), Path(folder))
                store = UsageStore.open(path)
                tenants, left_out = await list_billed(connection, account, store.tenants())
                reach = price_reach(store.kinds_of_price(COSTED), prices, _all_days(asked))
                store.close()
                task = Task(url, snapshot, account, asked, path, reach)
                results, others = await pool.rate(task, tenants)
            store = UsageStore.open(path)
            try:
                return _result(
                    asked,
                    plans,
                    prices,
                    store=store,
                    results=results,
                    left_out={**left_out, **others},
                )
            finally:
                store.close()
    finally:
        await database.close()


async def _copied(
    database: Database,
    connection: AsyncConnection,
    task: tuple[str, Account, SimulationWrite],
    folder: Path,
) -> Path:
    """Return the usage as a store, copied by two connections that see the same."""
    snapshot, account, asked = task
    async with database.transaction("REPEATABLE READ") as other:
        await join_snapshot(other, snapshot)
        days = (asked.start, asked.end)
        return await copy_usage((connection, other), account, days, folder)


def _all_days(asked: SimulationWrite) -> list[date]:
    first = asked.start - timedelta(days=31)
    return [first + timedelta(days=n) for n in range((asked.end - first).days)]


class _Pool:
    """Processes that rate, begun while usage is copied: to import all takes some seconds."""

    def __init__(self) -> None:
        self._executor: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)

    def expect(self, tenants: int) -> None:
        """Begin, if there will be enough to do for several."""
        if tenants <= TENANTS_AT_ONCE or self._executor is not None:
            return
        workers = min(PROCESSES_MAX, os.cpu_count() or 1)
        self._executor = ProcessPoolExecutor(workers, get_context("spawn"))
        for _ in range(workers):
            self._executor.submit(list_prices)

    async def rate(
        self, task: Task, tenants: Sequence[str]
    ) -> tuple[list[TenantResult], dict[str, str]]:
        """Return what was tried, by tenant in their order, and the tenants that could not be."""
        starts = range(0, len(tenants), TENANTS_AT_ONCE)
        chunks = [tenants[n : n + TENANTS_AT_ONCE] for n in starts]
        if len(chunks) == 1:
            # Not worth another process.
            return await asyncio.to_thread(_rate_alone, task, chunks[0])
        self.expect(len(tenants))
        loop = asyncio.get_running_loop()
        rated = await asyncio.gather(
            *(loop.run_in_executor(self._executor, rate_chunk, task, chunk) for chunk in chunks)
        )
        results = [result for some, _ in rated for result in some]
        return results, {tenant: why for _, others in rated for tenant, why in others.items()}


def _rate_alone(task: Task, tenants: Sequence[str]) -> tuple[list[TenantResult], dict[str, str]]:
    process = _Process(task)
    try:
        return process.rate(tenants)
    finally:
        process.close()


def rate_chunk(task: Task, tenants: Sequence[str]) -> tuple[list[TenantResult], dict[str, str]]:
    """Rate some tenants, in a process that keeps its connection from chunk to chunk."""
    process = _processes.get(task.snapshot)
    if process is None:
        process = _processes[task.snapshot] = _Process(task)
    return process.rate(tenants)


class _Process:
    """A process with its connection to the snapshot and its view of the store."""

    def __init__(self, task: Task) -> None:
        # What is made by the million here dies by itself: looking for cycles costs a third more.
        gc.set_threshold(ALLOCATIONS_PER_COLLECTION)
        self._task = task
        self._runner = asyncio.Runner()
        self._store = UsageStore.open(task.store)
        self._entered = _joined(task)
        self._connection = self._runner.run(self._entered.__aenter__())
        self._sides, self._bench = self._runner.run(self._prepare())

    async def _prepare(self) -> tuple[Sides, Bench]:
        task, connection = self._task, self._connection
        plans = await read_plans(connection, task.account, task.asked)
        singles = await meters.read_singles(connection, task.account)
        days = (task.asked.start, task.asked.end)
        sides = Sides(task.account, days, plans, task.asked.seats, singles)
        prices = await load_prices(connection, task.account)
        currency = CURRENCIES[sides.currency]
        return sides, Bench(prices, task.cost_reach, currency, task.asked.scenarios())

    def rate(self, tenants: Sequence[str]) -> tuple[list[TenantResult], dict[str, str]]:
        reading = read_customers(self._connection, self._sides, self._store, tenants)
        customers = self._runner.run(reading)
        currency = self._sides.currency
        fitting = [one for one in customers if in_one_currency(one, currency)]
        left_out = {
            one.tenant_id: f"pays in another currency than {currency}"
            for one in customers
            if not in_one_currency(one, currency)
        }
        return try_customers(self._store, fitting, self._bench), left_out

    def close(self) -> None:
        self._store.close()
        self._runner.run(self._entered.__aexit__(None, None, None))
        self._runner.close()


_processes: dict[str, _Process] = {}


@asynccontextmanager
async def _joined(task: Task) -> AsyncIterator[AsyncConnection]:
    database = Database(task.url, connections=1)
    async with database.transaction("REPEATABLE READ") as connection:
        await join_snapshot(connection, task.snapshot)
        yield connection
    await database.close()


def _result(
    asked: SimulationWrite,
    plans: Mapping[str, SoldPlan],
    prices: ProviderPrices,
    *,
    store: UsageStore,
    results: Sequence[TenantResult],
    left_out: Mapping[str, str],
) -> SimulationResult:
    """Put together what was found; seats break even only where there are people."""
    currency = CURRENCIES[next(iter(plans.values())).currency]
    mean = mean_person(store, plans, results, until=asked.end)
    tested = Tested(
        days=(asked.start, asked.end),
        currency=currency,
        results=results,
        hashes={name: sold.price_hash for name, sold in plans.items()},
        left_out=left_out,
        seats=asked.seats,
        mean_tokens=mean.tokens if mean else None,
        even=seats_break_even(mean, plans, prices) if mean else [],
    )
    moves = None
    if asked.migration is not None:
        moves = plan_migration(asked.migration, results, currency)
    return written(tested, moves)


def mean_person(
    store: UsageStore,
    plans: Mapping[str, SoldPlan],
    results: Sequence[TenantResult],
    *,
    until: date,
) -> MeanPerson | None:
    """Return the mean person of all tenants with people, by what plans and costs depend on."""
    peopled = [result for result in results if result.people]
    if not peopled:
        return None
    reach = Reach(COSTED)
    for sold in plans.values():
        reach |= reach_of(sold.plan)
    spans = [Span(0, result.tenant_id, *days) for result in peopled for days in result.days]
    last = until - timedelta(days=1)
    start = last.replace(day=1)
    end = (start + timedelta(days=31)).replace(day=1)
    return MeanPerson.of(
        store.total_of(reach.dimensions, spans),
        person_months=sum(result.people * result.periods for result in peopled),
        tenants=len(peopled),
        people=sum(result.people for result in peopled),
        month=Period(start, end, (end - start).days),
    )
