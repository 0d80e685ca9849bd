"""A backtest: ten plans over a year of all tenants' usage, in the process that runs simulations."""

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date
from fractions import Fraction
from typing import Any

import asyncpg

from services.pricing.handlers import catalog
from services.pricing.handlers.simulations import ask, read_result
from services.pricing.handlers.subscriptions import put_subscription
from services.pricing.repository import catalog as books
from services.pricing.schemas.simulation import PlanChoice, SimulationWrite
from services.pricing.schemas.simulation_result import SimulationResult
from services.pricing.schemas.subscription import SubscriptionWrite
from shared.accounts import repository as accounts
from shared.accounts.schemas import TenantWrite
from shared.database import Database
from shared.ids import partition_of
from shared.money import parse_exact
from shared.topics import USAGE_AGGREGATED
from tests.bench.plan_shapes import SHAPES, shapes
from tests.bench.pricing_data import BOOK, KINDS, MODELS, PLAN, SEATS, expected_of, price_book
from tests.bench.pricing_rig import NOW
from tests.bench.results import Bench, Figure, check
from tests.bench.rig import ACCOUNT, VENDOR, family
from tests.support.database import fresh_database

PART = "simulation"
TENANTS = 1_000
PLANS = 10
DAYS = 25
"""Days of each month with usage."""

USERS = 20
EVENTS_OF_A_ROW = 10
START, END = date(2025, 12, 1), date(2026, 12, 1)
MONTHS = 12
ROWS = MONTHS * DAYS * len(MODELS) * len(KINDS)
"""Daily rows of a tenant: 3,000."""

TENANTS_PER_INSERT = 50
SAMPLE_SECONDS = 0.2
QUANTITY_SQL = "1000 + (t::bigint * 7919 + r::bigint * 104729) % 100000"
_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)
_MODELS = ", ".join(f"'{model}'" for model in MODELS)
_SERIES = f"""
from generate_series($2::int, $3::int) t, generate_series(0, {MONTHS - 1}) m,
     generate_series(0, {DAYS * len(MODELS) * len(KINDS) - 1}) r,
     lateral (select ($4::date + (m || ' months')::interval)::date + r / 10 as day) d
"""
_USAGE = f"""
insert into pricing.usage_daily
  (vendor_id, mode, tenant_id, provider, agent, model, kind, context_band, service_tier, batch,
   speed, region, purpose, status, usage_day, booked_day, entry, quantity, events, version)
select $1, 'live', 'tenant-' || t, 'bench', 'agent-' || (r / 50 % 2),
       (array[{_MODELS}])[1 + r / 5 % 2], (array[{_KINDS}])[1 + r % 5],
       '32k', '', false, '', '', 'production', 'completed', day, day, 'usage',
       {QUANTITY_SQL}, {EVENTS_OF_A_ROW}, 1 {_SERIES}
"""
_PEOPLE = f"""
insert into pricing.usage_daily_by_user
  (vendor_id, mode, tenant_id, team, "user", agent, model, purpose, kind, usage_day, booked_day,
   entry, quantity, events, version)
select $1, 'live', 'tenant-' || t, '', 'user-' || (r % {USERS}), 'agent-' || (r / 50 % 2),
       (array[{_MODELS}])[1 + r / 5 % 2], 'production', (array[{_KINDS}])[1 + r % 5], day, day,
       'usage', {QUANTITY_SQL}, {EVENTS_OF_A_ROW}, 1 {_SERIES}
"""
_COPY_SQL = """
insert into {table}
select (jsonb_populate_record(s, $1::jsonb)).* from {table} s where s.tenant_id = 'tenant-0'
"""


async def measure(bench: Bench) -> None:
    """Simulate again and again; what it says of today is what the price list says."""
    tenants = max(int(TENANTS * bench.scale), 1)
    seconds, peaks = [], []
    async with simulation_rig(bench, tenants) as url:
        for _ in range(bench.repeats):
            bench.report(f"simulation of {tenants:,} tenants")
            took, peak, result = await run_once(url)
            check_today(result, tenants)
            seconds.append(took)
            peaks.append(peak / 2**20)
    extra: dict[str, Any] = {
        "tenants": tenants,
        "plans": PLANS,
        "months": MONTHS,
        "daily_rows": tenants * ROWS,
        "events": tenants * ROWS * EVENTS_OF_A_ROW,
    }
    bench.add(Figure(PART, "seconds", "s", seconds, better="less", extra=extra))
    bench.add(Figure(PART, "memory", "MiB", peaks, better="less", extra=extra))


async def run_once(url: str) -> tuple[float, int, SimulationResult]:
    """Return the seconds from the start of the process to its end, its peak, and the result.

    The peak is the sum over the process and its children at one moment.
    """
    database = Database(url, connections=1)
    asked = SimulationWrite(start=START, end=END, plans=choices())
    try:
        async with database.transaction() as connection:
            simulation_id = (await ask(connection, ACCOUNT, asked)).simulation_id
        began = time.perf_counter()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.pricing.simulation"),
            *(VENDOR, "live", simulation_id),
            env={**os.environ, "TALLYROLL_PRICING_DATABASE_URL": url},
        )
        watching = asyncio.create_task(_peak(process))
        await process.wait()
        seconds = time.perf_counter() - began
        async with database.transaction() as connection:
            result = await read_result(connection, ACCOUNT, simulation_id)
        return seconds, await watching, result
    finally:
        await database.close()


async def _peak(process: asyncio.subprocess.Process) -> int:
    peak = 0
    while process.returncode is None:
        resident = 0
        for one in family(process.pid):
            if one.is_running():
                resident += int(one.memory_info().rss)
        peak = max(peak, resident)
        await asyncio.sleep(SAMPLE_SECONDS)
    return peak


def choices() -> list[PlanChoice]:
    """Return the plan of today and nine others."""
    others = (PlanChoice(price_book=SHAPES, plan=plan["key"]) for plan in shapes()["plans"])
    return [PlanChoice(price_book=BOOK, plan=PLAN), *others]


def check_today(result: SimulationResult, tenants: int) -> None:
    """Compare what each tenant pays today, and by the same plan as a candidate, with the list."""
    for plan in result.plans[:2]:
        check(tenants, len(plan.tenants), "tenants")
        for one in plan.tenants:
            tenant = int(one.tenant_id.removeprefix("tenant-"))
            check(MONTHS * expected_month(tenant), parse_exact(one.revenue.exact), one.tenant_id)


def expected_month(tenant: int) -> Fraction:
    """Return what a month of a tenant comes to, by the price list alone."""
    sums = {(model, kind): 0 for model in MODELS for kind in KINDS}
    for row in range(DAYS * len(MODELS) * len(KINDS)):
        key = (MODELS[row // 5 % 2], KINDS[row % 5])
        sums[key] += 1_000 + (tenant * 7_919 + row * 104_729) % 100_000
    return expected_of(sums)


@asynccontextmanager
async def simulation_rig(bench: Bench, tenants: int) -> AsyncIterator[str]:
    """Yield the URL of a database with a year of usage of so many tenants, and ten books."""
    async with fresh_database(bench.address.admin_database_url) as urls:
        url = urls.urls["pricing"]
        opened = Database(url, connections=1)
        try:
            async with opened.transaction() as connection:
                await accounts.create_vendor(connection, VENDOR, name="Bench", live_from=START)
                await accounts.put_tenant(connection, ACCOUNT, "tenant-0", TenantWrite(name="T"))
            await _sell(opened)
        finally:
            await opened.close()
        await _fill(bench, url, tenants)
        yield url


async def _sell(opened: Database) -> None:
    """Publish the book of today, leave that of the other shapes as a draft."""
    async with opened.transaction() as connection:
        for name, content in ((BOOK, price_book()), (SHAPES, shapes())):
            await books.put_book(connection, ACCOUNT, name, "Bench")
            await catalog.write_draft(connection, ACCOUNT, name, version=1, content=content)
        await catalog.publish_version(
            connection, ACCOUNT, BOOK, version=1, effective_on=START, now=NOW
        )
    terms = SubscriptionWrite(
        tenant_id="tenant-0", price_book=BOOK, plan=PLAN, starts_on=START, seats=SEATS
    )
    async with opened.transaction() as connection:
        await put_subscription(connection, ACCOUNT, "subscription-0", terms)


async def _fill(bench: Bench, url: str, tenants: int) -> None:
    connection: Any = await asyncpg.connect(url)
    try:
        for first in range(0, tenants, TENANTS_PER_INSERT):
            bench.report(f"simulation: usage of {first:,} of {tenants:,} tenants")
            last = min(first + TENANTS_PER_INSERT, tenants) - 1
            for query in (_USAGE, _PEOPLE):
                await connection.execute(query, VENDOR, first, last, START)
        for table in ("accounts.tenant", "pricing.subscription"):
            copies = [(json.dumps(_copy(number)),) for number in range(1, tenants)]
            await connection.executemany(_COPY_SQL.format(table=table), copies)
        found = await connection.fetchval("select count(*) from pricing.usage_daily")
        check(tenants * ROWS, found, "rows of usage")
    finally:
        await connection.close()


def _copy(number: int) -> dict[str, Any]:
    tenant = f"tenant-{number}"
    partition = partition_of(USAGE_AGGREGATED.partitions, VENDOR, tenant)
    subscription = f"subscription-{number}"
    return {"tenant_id": tenant, "subscription_id": subscription, "topic_partition": partition}
