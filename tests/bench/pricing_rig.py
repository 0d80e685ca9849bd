"""Pricing's real process over a database with many tenants and a month of their usage."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import asyncpg

from deploy.local.ports import free_ports
from services.pricing.handlers import catalog
from services.pricing.handlers.subscriptions import put_subscription
from services.pricing.repository import catalog as books
from services.pricing.schemas.subscription import SubscriptionWrite
from shared.accounts import repository as accounts
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.schemas import ApiKeyWrite, TenantWrite
from shared.database import Database
from shared.ids import partition_of
from shared.topics import USAGE_AGGREGATED
from tests.bench.pricing_data import (
    BOOK,
    DAYS,
    KINDS,
    LAST_DAY,
    MODELS,
    PLAN,
    QUANTITY_SQL,
    ROWS,
    SEATS,
    START,
    price_book,
)
from tests.bench.results import Bench, check
from tests.bench.rig import ACCOUNT, SECRET, VENDOR, Rig, Running
from tests.support.database import fresh_database
from tests.support.pricing_service import start_at_the_end

TENANTS_PER_INSERT = 500
NOW = datetime(2026, 12, 2, tzinfo=UTC)
_KINDS = ", ".join(f"'{kind}'" for kind in KINDS)
_MODELS = ", ".join(f"'{model}'" for model in MODELS)
_ROWS_SQL = f"""
insert into pricing.usage_daily
  (vendor_id, mode, tenant_id, provider, agent, model, kind, context_band, service_tier, batch,
   speed, region, purpose, status, usage_day, booked_day, entry, quantity, events, version)
select $1, 'live', 'tenant-' || t, 'bench', 'agent-' || (r / 10 % 2),
       (array[{_MODELS}])[1 + r / 5 % 2], (array[{_KINDS}])[1 + r % 5],
       '32k', '', false, '', '', 'production', 'completed', day, day, 'usage',
       {QUANTITY_SQL}, 1000, 1
from generate_series($2::int, $3::int) t, generate_series(0, {ROWS - 1}) r,
     lateral (select $4::date - {DAYS - 1} + r / 20 as day) d
"""  # noqa: S608 - our own names
_COPY_SQL = """
insert into {table}
select (jsonb_populate_record(s, $1::jsonb)).* from {table} s where s.tenant_id = 'tenant-0'
"""


@dataclass(frozen=True)
class PricingRig:
    """A database with tenants, subscriptions and usage; its process can be started."""

    rig: Rig
    tenants: int

    @property
    def url(self) -> str:
        return self.rig.urls.urls["pricing"]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[tuple[Running, int]]:
        """Run pricing, which begins behind what is on its topic; yield it with its port."""
        (port,) = free_ports(1)
        group = f"bench-{uuid4().hex}"
        await start_at_the_end(self.rig.address.kafka_bootstrap, group)
        rig = self.rig.with_settings(
            pricing_database_url=self.url, pricing_port=port, pricing_consumer_group=group
        )
        async with rig.running("services.pricing", ready=b"Uvicorn running on") as process:
            yield process, port


@asynccontextmanager
async def pricing_rig(bench: Bench, tenants: int) -> AsyncIterator[PricingRig]:
    """Yield a rig with so many tenants on one plan, each with 200 rows in November 2026."""
    async with fresh_database(bench.address.admin_database_url) as urls:
        key = mint_key("live")
        opened = Database(urls.urls["pricing"], connections=2)
        try:
            async with opened.transaction() as connection:
                await accounts.create_vendor(connection, VENDOR, name="Bench", live_from=START)
                written = ApiKeyWrite(name="bench", scopes=set(Scope))
                await accounts.create_api_key(
                    connection, ACCOUNT, key, written=written, pepper=SECRET.encode()
                )
                await accounts.put_tenant(connection, ACCOUNT, "tenant-0", TenantWrite(name="T"))
            await _subscribe(opened)
        finally:
            await opened.close()
        rig = PricingRig(Rig(bench.address, urls, bench.folder, format_key(key)), tenants)
        await _fill(bench, rig)
        yield rig


async def _subscribe(opened: Database) -> None:
    async with opened.transaction() as connection:
        await books.put_book(connection, ACCOUNT, BOOK, "Bench")
        await catalog.write_draft(connection, ACCOUNT, BOOK, version=1, content=price_book())
        await catalog.publish_version(
            connection, ACCOUNT, BOOK, version=1, effective_on=START, now=NOW
        )
    terms = SubscriptionWrite(
        tenant_id="tenant-0", price_book=BOOK, plan=PLAN, starts_on=START, seats=SEATS
    )
    async with opened.transaction() as connection:
        await put_subscription(connection, ACCOUNT, "subscription-0", terms)


async def _fill(bench: Bench, rig: PricingRig) -> None:
    """Write usage, and a copy of the first tenant and subscription for each other tenant."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        for first in range(0, rig.tenants, TENANTS_PER_INSERT):
            bench.report(f"pricing: usage of {first:,} of {rig.tenants:,} tenants")
            last = min(first + TENANTS_PER_INSERT, rig.tenants) - 1
            await connection.execute(_ROWS_SQL, VENDOR, first, last, LAST_DAY)
        bench.report("pricing: subscriptions")
        for table in ("accounts.tenant", "pricing.subscription"):
            copies = [_copy(number) for number in range(1, rig.tenants)]
            await connection.executemany(_COPY_SQL.format(table=table), copies)
        await connection.execute("vacuum analyze pricing.usage_daily")
        found = await connection.fetchval("select count(*) from pricing.usage_daily")
        check(rig.tenants * ROWS, found, "rows of usage")
    finally:
        await connection.close()


def _copy(number: int) -> tuple[str]:
    tenant = f"tenant-{number}"
    partition = partition_of(USAGE_AGGREGATED.partitions, VENDOR, tenant)
    values = {
        "tenant_id": tenant,
        "subscription_id": f"subscription-{number}",
        "topic_partition": partition,
    }
    return (json.dumps(values),)


async def sums_of_last_day(rig: PricingRig) -> dict[str, dict[str, int]]:
    """Return tenant → kind → quantity of what is booked on the month's last day."""
    connection: Any = await asyncpg.connect(rig.url)
    try:
        rows = await connection.fetch(
            "select tenant_id, kind, sum(quantity)::bigint from pricing.usage_daily"
            " where booked_day = $1 group by 1, 2",
            LAST_DAY,
        )
    finally:
        await connection.close()
    found: dict[str, dict[str, int]] = {}
    for tenant, kind, total in rows:
        found.setdefault(tenant, {})[kind] = total
    return found
