"""One simulation from its snapshot to its result."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.simulation.reach import COSTED, Reach, reach_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.simulating import (
    list_billed,
    read_plans,
)
from services.pricing.handlers.timelines import SoldPlan
from services.pricing.schemas.simulation import SimulationWrite
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.simulation.backtest import (
    TenantResult,
    price_reach,
)
from services.pricing.simulation.mean_person import MeanPerson, seats_break_even
from services.pricing.simulation.moving import plan_migration
from services.pricing.simulation.processes import Pool, Task
from services.pricing.simulation.results import Tested, written
from services.pricing.simulation.snapshot import copy_usage, join_snapshot, take_snapshot
from services.pricing.simulation.usage_store import Span, UsageStore
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.database import Database


async def simulate(
    url: str, account: Account, asked: SimulationWrite, pool: Pool
) -> SimulationResult:
    """Run a simulation; raises what reading its plans or its usage raises."""
    database = Database(url, connections=2)
    try:
        with TemporaryDirectory(prefix="tallyroll-simulation-") as folder:
            async with database.transaction("REPEATABLE READ") as connection:
                snapshot = await take_snapshot(connection)
                plans = await read_plans(connection, account, asked)
                prices = await load_prices(connection, account)
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
