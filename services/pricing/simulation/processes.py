"""The processes that rate the tenants of a simulation, some at a time each."""

import asyncio
import gc
import os
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from typing import Literal, Self

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.simulation.reach import Reach
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.simulating import Sides, in_one_currency, read_customers, read_plans
from services.pricing.list_prices import list_prices
from services.pricing.repository import meters
from services.pricing.schemas.simulation import SimulationWrite
from services.pricing.simulation.backtest import Bench, TenantResult, try_customers
from services.pricing.simulation.snapshot import join_snapshot
from services.pricing.simulation.usage_store import UsageStore
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


class Pool:
    """Processes that rate, forked from this one: they have what it has imported, at once.

    So it is made while there are neither threads nor connections yet. Where there are (in tests),
    processes are begun anew (`spawn`), which takes some seconds each.
    """

    def __init__(self, start: Literal["fork", "spawn"] = "fork") -> None:
        self._size = min(PROCESSES_MAX, os.cpu_count() or 1)
        self._executor = ProcessPoolExecutor(self._size, get_context(start))
        # Those that fork do so at the first thing to do; compiled prices are there by then.
        list_prices()
        self._executor.submit(list_prices)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._executor.shutdown(cancel_futures=True)

    async def rate(
        self, task: Task, tenants: Sequence[str]
    ) -> tuple[list[TenantResult], dict[str, str]]:
        """Return what was tried, by tenant in their order, and the tenants that could not be."""
        size = min(TENANTS_AT_ONCE, ceil(len(tenants) / self._size) or 1)
        chunks = [tenants[n : n + size] for n in range(0, len(tenants), size)]
        loop = asyncio.get_running_loop()
        rated = await asyncio.gather(
            *(loop.run_in_executor(self._executor, rate_chunk, task, chunk) for chunk in chunks)
        )
        results = [result for some, _ in rated for result in some]
        return results, {tenant: why for _, others in rated for tenant, why in others.items()}


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


_processes: dict[str, _Process] = {}


@asynccontextmanager
async def _joined(task: Task) -> AsyncIterator[AsyncConnection]:
    database = Database(task.url, connections=1)
    async with database.transaction("REPEATABLE READ") as connection:
        await join_snapshot(connection, task.snapshot)
        yield connection
    await database.close()
