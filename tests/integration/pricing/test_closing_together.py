"""Periods of many tenants closed together come to what each comes to by itself."""

from datetime import UTC, date, datetime
from itertools import count

import httpx
import pytest

from services.pricing.handlers import closing
from services.pricing.repository import usage
from services.pricing.repository.locks import tenant_partition
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated
from tests.support.pricing_usage import usage_row

from .billing_api import TERMS, Headers, days_of, publish_demo, seal, statements_of

FIRST, LAST = date(2023, 11, 1), date(2023, 12, 31)
STARTS = ("2023-11-01", "2023-11-12", "2023-11-30", "2023-11-01")
KINDS = ("input_uncached", "output_text")


def neighbours(account: Account, number: int) -> list[str]:
    """Return so many tenants whose usage comes on the partition of globex."""
    partition = tenant_partition(account, "globex")
    names = (f"tenant-{n}" for n in count())
    found = (name for name in names if tenant_partition(account, name) == partition)
    return ["globex", *(next(found) for _ in range(number - 1))]


async def use(store: Database, account: Account, tenant: str, seed: int) -> None:
    """Count usage on every day of two months, a day of it twice, and one row too late to bill."""
    rows = [
        usage_row(day, kind, 1_000 * seed + day.day)
        for day in days_of(FIRST, LAST)
        for kind in KINDS
    ]
    rows.append(usage_row(date(2023, 11, 14), KINDS[0], 7 * seed, booked_day=date(2023, 11, 15)))
    rows.append(usage_row(LAST, KINDS[0], 10**9, booked_day=date(2024, 1, 1)))
    message = UsageAggregated(
        vendor_id=account.vendor_id,
        mode="test",
        tenant_id=tenant,
        version=1,
        watermark=datetime(2024, 1, 2, tzinfo=UTC),
        rows=rows,
        user_rows=[],
    )
    async with store.transaction() as connection:
        await usage.store(connection, message)


@pytest.mark.parametrize("together", [1, 3, 100])
async def test_a_statement_is_the_bill_of_its_tenant(  # noqa: PLR0917 - fixtures
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
    together: int,
) -> None:
    """Two months of each; the hashes are those of bills, which are read tenant by tenant.

    Periods end on one day and begin on several; what is booked after their end is in neither.
    """
    monkeypatch.setattr(closing, "TOGETHER_MAX", together)
    account = Account(vendor, "test")
    tenants = dict(zip(neighbours(account, len(STARTS)), STARTS, strict=True))
    await publish_demo(client, headers)
    for seed, (tenant, start) in enumerate(tenants.items(), start=1):
        await client.put(f"/v1/tenants/{tenant}", json={"name": tenant}, headers=headers)
        terms = TERMS | {"tenant_id": tenant, "starts_on": start, "anchor_day": 1}
        await client.put(f"/v1/subscriptions/of-{tenant}", json=terms, headers=headers)
        await use(store, account, tenant, seed)
    november = await hashes_of_bills(client, headers, list(tenants))

    await seal(store, vendor, *days_of(FIRST, date(2023, 11, 30)))
    december = await hashes_of_bills(client, headers, list(tenants))
    await seal(store, vendor, *days_of(date(2023, 12, 1), LAST))
    statements = await statements_of(client, headers)

    made = {
        (one["tenant_id"], one["sequence"]): (one["input_hash"], one["rating_hash"])
        for one in statements
    }
    assert len(made) == len(statements) == 2 * len(tenants)
    assert made == {(t, 1): november[t] for t in tenants} | {(t, 2): december[t] for t in tenants}
    assert len(set(made.values())) == len(made)


async def hashes_of_bills(
    client: httpx.AsyncClient, headers: Headers, tenants: list[str]
) -> dict[str, tuple[str, str]]:
    found = {}
    for tenant in tenants:
        answer = await client.get(f"/v1/tenants/{tenant}/bill", headers=headers)
        (bill,) = answer.json()["subscriptions"]
        found[tenant] = (bill["input_hash"], bill["rating_hash"])
    return found
