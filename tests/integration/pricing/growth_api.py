"""What the tests of growth share: two tenants over two months, by hand.

globex is on `team` (300 and two seats for 30 each) all the time, initech on `business` (900 and a
seat) from December. A thousand tokens cost 3.

| | November | December |
|---|---|---|
| globex, support-0 | 10,000 on the 10th, 20,000 on the 11th: 90 | 40,000 on the 5th: 120 |
| globex, writer, on gpt-5 | | 20,000 on the 6th: 60 |
| initech, bot | | 10,000 on the 7th: 30 |
| fees | 360 | 360 and 930 |
| revenue | 450 | 1,500 |
"""

from datetime import date
from typing import Any

import httpx

from services.pricing.repository import usage
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated, UsageRow, UserUsageRow
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers, days_of, seal
from .subscription_api import publish_book, subscribe

NOVEMBER_END, DECEMBER_END = date(2023, 11, 30), date(2023, 12, 31)
DECEMBER = {"from": "2023-12-01", "to": "2024-01-01"}
GPT = {"model": "gpt-5", "provider": "openai", "agent": "writer"}


def tokens(month: int, day: int, quantity: int, **values: Any) -> UsageRow:
    """Return tokens of a day of 2023, booked on it unless said otherwise."""
    return usage_row(date(2023, month, day), "input_uncached", quantity, **values)


GLOBEX = (
    tokens(11, 10, 10_000),
    tokens(11, 11, 20_000),
    tokens(12, 5, 40_000),
    tokens(12, 6, 20_000, **GPT),
)
INITECH = (tokens(12, 7, 10_000, agent="bot"),)


async def store_usage(
    store: Database,
    vendor: str,
    *rows: UsageRow,
    tenant: str = "globex",
    version: int = 1,
    users: list[UserUsageRow] | None = None,
) -> None:
    """Put rows into the copy of a tenant's usage."""
    message = UsageAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id=tenant,
        version=version,
        watermark=NOW,
        rows=list(rows),
        user_rows=users or [],
    )
    async with store.transaction() as connection:
        await usage.store(connection, message)


def by_user(user: str, day: date, quantity: int, **values: Any) -> UserUsageRow:
    """Return tokens of a user on a day."""
    row = {
        "team": "",
        "user": user,
        "agent": "support-0",
        "model": "claude-sonnet-4-6",
        "purpose": "production",
        "kind": "input_uncached",
        "usage_day": day,
        "booked_day": day,
        "entry": "usage",
        "quantity": str(quantity),
        "events": 1,
    }
    return UserUsageRow.model_validate(row | values)


async def sell(
    client: httpx.AsyncClient, headers: Headers, content: dict[str, Any] | None = None
) -> None:
    """Put both tenants on their plans."""
    await client.put("/v1/tenants/initech", json={"name": "Initech"}, headers=headers)
    answers = [
        await publish_book(client, headers, content=content),
        await subscribe(client, headers),
        await subscribe(
            client,
            headers,
            "initech",
            tenant_id="initech",
            plan="business",
            starts_on="2023-12-01",
            seats=1,
        ),
    ]
    assert all(answer.is_success for answer in answers), [answer.text for answer in answers]


async def seal_both_months(store: Database, vendor: str, tenant: str = "globex") -> None:
    """Seal all days from the end of November to that of December for a tenant's partition."""
    await seal(store, vendor, *days_of(NOVEMBER_END, DECEMBER_END), tenant=tenant)


async def close_both_months(store: Database, vendor: str) -> None:
    """Bill November and December of both tenants."""
    for tenant in ("globex", "initech"):
        await seal_both_months(store, vendor, tenant)


async def grown(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> Account:
    """Sell, use and bill what the table above says."""
    await sell(client, headers)
    await store_usage(store, vendor, *GLOBEX)
    await store_usage(store, vendor, *INITECH, tenant="initech")
    await close_both_months(store, vendor)
    return Account(vendor, "test")


async def ask(
    client: httpx.AsyncClient, headers: Headers, path: str, **parameters: Any
) -> dict[str, Any]:
    """Return an answer about December, against the month before unless said otherwise."""
    answer = await client.get(f"/v1/{path}", params=DECEMBER | parameters, headers=headers)
    assert answer.is_success, answer.text
    found: dict[str, Any] = answer.json()
    return found


def named(amounts: list[dict[str, Any]]) -> dict[str, str]:
    """Return the parts of a change that are not 0."""
    return {one["name"]: one["amount"] for one in amounts if one["amount"] != "0"}
