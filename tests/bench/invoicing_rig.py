"""Invoicing's real process between Kafka and the simulator of Stripe, each a process of its own."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any
from uuid import uuid4

import asyncpg
import httpx

from deploy.local.ports import free_ports
from shared.accounts import repository as accounts
from shared.accounts.repository import Account
from shared.accounts.schemas import TenantWrite
from shared.database import Database
from shared.topics import INVOICE_CHANGED, STATEMENT_RATED
from tests.bench.results import Bench
from tests.bench.rig import VENDOR, Rig, Running
from tests.support.database import fresh_database
from tests.support.pricing_service import start_at_the_end

STRIPE_KEY = "sk_test_bench"
API_VERSION = "2026-10-28.endive"
POLL_SECONDS = 0.1
_TENANTS_SQL = """
insert into accounts.tenant
select (jsonb_populate_record(s, jsonb_build_object('tenant_id', 'tenant-' || n))).*
from accounts.tenant s, generate_series(1, $1::int) n
where s.tenant_id = 'tenant-0'
"""


@dataclass(frozen=True)
class InvoicingRig:
    """A database with tenants, and a simulator that `stripe` speaks to."""

    rig: Rig
    stripe: httpx.AsyncClient

    @asynccontextmanager
    async def running(self, **settings: Any) -> AsyncIterator[Running]:
        """Run invoicing, which begins behind what is on its topics."""
        (port,) = free_ports(1)
        group = f"bench-{uuid4().hex}"
        bootstrap = self.rig.address.kafka_bootstrap
        await start_at_the_end(bootstrap, group, STATEMENT_RATED)
        for topic in (STATEMENT_RATED, INVOICE_CHANGED):
            await start_at_the_end(bootstrap, f"{group}-webhooks", topic)
        rig = self.rig.with_settings(
            invoicing_database_url=self.rig.urls.urls["invoicing"],
            invoicing_port=port,
            invoicing_consumer_group=group,
            stripe_api_base=str(self.stripe.base_url).rstrip("/"),
            **settings,
        )
        rig = replace(rig, settings=rig.settings | {"STRIPE_API_KEY": STRIPE_KEY})
        async with rig.running(
            "services.invoicing", ready=b"Application startup complete"
        ) as process:
            yield process

    async def wait_until_sent(self, count: int) -> None:
        """Return when so many invoices have gone the whole way."""
        connection: Any = await asyncpg.connect(self.rig.urls.urls["invoicing"])
        query = "select count(*) from invoicing.invoice where state = 'sent'"
        try:
            while await connection.fetchval(query) < count:  # noqa: ASYNC110 - a remote condition
                await asyncio.sleep(POLL_SECONDS)
        finally:
            await connection.close()

    async def invoices(self) -> list[dict[str, Any]]:
        """Return every invoice at Stripe."""
        found: list[dict[str, Any]] = []
        params: dict[str, Any] = {"limit": 100}
        while True:
            page = (await self.stripe.get("/v1/invoices", params=params)).json()
            found += page["data"]
            if not page["has_more"]:
                return found
            params["starting_after"] = found[-1]["id"]


@asynccontextmanager
async def invoicing_rig(bench: Bench, tenants: int) -> AsyncIterator[InvoicingRig]:
    """Yield a rig with so many tenants; nothing was ever sent to its Stripe."""
    (port,) = free_ports(1)
    headers = {"Authorization": f"Bearer {STRIPE_KEY}", "Stripe-Version": API_VERSION}
    async with fresh_database(bench.address.admin_database_url) as urls:
        opened = Database(urls.urls["accounts"], connections=1)
        async with opened.transaction() as connection:
            await accounts.create_vendor(
                connection, VENDOR, name="Bench", live_from=date(2020, 1, 1)
            )
            written = TenantWrite(name="Tenant", billing_email="pay@tenant.test")
            await accounts.put_tenant(connection, Account(VENDOR, "test"), "tenant-0", written)
        await opened.close()
        owner: Any = await asyncpg.connect(urls.urls["accounts"])
        await owner.execute(_TENANTS_SQL, tenants - 1)
        await owner.close()
        rig = Rig(bench.address, urls, bench.folder, key="")
        simulator = ("deploy.local.stripe_simulator", "--control", "--port", str(port))
        async with (
            rig.running(*simulator, ready=b"") as _,
            httpx.AsyncClient(
                base_url=f"http://127.0.0.1:{port}", headers=headers, trust_env=False, timeout=60
            ) as http,
        ):
            await _listening(http)
            yield InvoicingRig(rig, http)


async def _listening(http: httpx.AsyncClient) -> None:
    transport = httpx.AsyncHTTPTransport(retries=10)  # rests between them grow to minutes
    async with httpx.AsyncClient(base_url=http.base_url, transport=transport) as patient:
        (await patient.get("/health/live")).raise_for_status()
