"""What the tests of pricing's API share: the demo's book, published and billed."""

from datetime import date, timedelta
from itertools import count
from typing import Any

import httpx
from sqlalchemy import text

from examples.demo.catalog import price_book
from services.pricing.handlers.closing import close_periods
from services.pricing.repository import sealing
from services.pricing.repository.locks import lock_closing, tenant_partition
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.usage_aggregated import DaySealed

Headers = dict[str, str]
BOOK = "/v1/price-books/demo"
FIRST_VERSION = f"{BOOK}/versions/1"
TERMS = {
    "tenant_id": "globex",
    "price_book": "demo",
    "plan": "support",
    "starts_on": "2023-11-01",
}


async def execute(store: Database, statement: str, named: dict[str, str]) -> int:
    """Run one statement as the owner of the schema; return how many rows it changed."""
    async with store.transaction() as connection:
        return (await connection.execute(text(statement), named)).rowcount


async def publish(client: httpx.AsyncClient, headers: Headers, **values: Any) -> httpx.Response:
    body = {"effective_on": "2023-11-01", **values}
    return await client.post(f"{FIRST_VERSION}/publish", json=body, headers=headers)


async def publish_demo(client: httpx.AsyncClient, headers: Headers) -> dict[str, Any]:
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    published: dict[str, Any] = (await publish(client, headers)).json()
    return published


async def seal_november(store: Database, vendor: str, *, tenant: str = "globex") -> None:
    """Seal the month for a tenant's partition, and close what is due."""
    await seal(store, vendor, date(2023, 11, 30), tenant=tenant)


async def seal(store: Database, vendor: str, *days: date, tenant: str = "globex") -> None:
    """Seal days for a tenant's partition in their order, then close what is due.

    The first day that is ever sealed is taken for the account's first day.
    """
    account = Account(vendor, "test")
    partition = tenant_partition(account, tenant)
    async with store.transaction() as connection:
        await lock_closing(connection, account, [partition])
        for day in days:
            sealed = _sealed(vendor, day)
            await sealing.store_sealed_day(connection, sealed, partition)
            await sealing.advance_sealed_through(
                connection, account, partition=partition, first_day=day, accepted={"off"}
            )
        await close_periods(connection, account, partition)


def _sealed(vendor: str, day: date) -> DaySealed:
    return DaySealed(
        vendor_id=vendor,
        mode="test",
        day=day,
        first_day=day,
        version=1,
        part=1,
        parts=1,
        recount="off",
        offsets={},
        tenants=[],
    )


def days_of(first: date, last: date) -> list[date]:
    """Return the days from the first to the last, both included."""
    return [first + timedelta(days=number) for number in range((last - first).days + 1)]


def neighbours(account: Account, number: int) -> list[str]:
    """Return so many tenants whose usage comes on the partition of globex."""
    partition = tenant_partition(account, "globex")
    names = (f"tenant-{n}" for n in count())
    found = (name for name in names if tenant_partition(account, name) == partition)
    return ["globex", *(next(found) for _ in range(number - 1))]


async def statements_of(client: httpx.AsyncClient, headers: Headers) -> list[Any]:
    """Return a vendor's statements with their lines, in the order of issue."""
    listed = (await client.get("/v1/statements", headers=headers)).json()["statements"]
    paths = [f"/v1/statements/{row['statement_id']}" for row in listed]
    return [(await client.get(path, headers=headers)).json() for path in paths]
