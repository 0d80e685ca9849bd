"""Periods of many tenants closed together come to what each comes to by itself."""

from datetime import UTC, date, datetime
from typing import Any

import httpx
import pytest

from services.pricing.domain.periods import Period
from services.pricing.domain.usage import canonical_usage
from services.pricing.handlers import closing, closing_together
from services.pricing.repository import usage
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated, UsageRow
from tests.support.pricing_usage import usage_row

from .billing_api import TERMS, Headers, days_of, neighbours, publish_demo, seal, statements_of

FIRST, LAST = date(2023, 11, 1), date(2023, 12, 31)
STARTS = ("2023-11-01", "2023-11-12", "2023-11-30", "2023-11-01")
KINDS = ("input_uncached", "output_text")


async def use(store: Database, account: Account, tenant: str, seed: int, *late: UsageRow) -> None:
    """Count usage on every day of two months."""
    rows = [
        usage_row(day, kind, 1_000 * seed + day.day)
        for day in days_of(FIRST, LAST)
        for kind in KINDS
    ]
    rows += late
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

    Periods end on one day and begin on several.
    """
    sizes, close_together = [], closing_together.close_together

    async def counted(connection: Any, shared: Any, plain: Any) -> Any:
        sizes.append(len(plain))
        return await close_together(connection, shared, plain)

    monkeypatch.setattr(closing_together, "close_together", counted)
    monkeypatch.setattr(closing_together, "BATCH", 2)
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
    assert (len(made), min(together, len(tenants))) == (sum(sizes), max(sizes))


async def test_periods_read_together_are_those_read_one_by_one(
    headers: Headers, vendor: str, store: Database
) -> None:
    """The same rows, whatever of them is booked later than used, or after the period's end."""
    assert headers
    account = Account(vendor, "test")
    late = [
        usage_row(date(2023, 11, 14), KINDS[0], 7, booked_day=date(2023, 11, 15)),
        usage_row(date(2023, 11, 30), KINDS[0], 10**9, booked_day=date(2023, 12, 1)),
    ]
    for seed, tenant in enumerate(("globex", "acme"), start=1):
        await use(store, account, tenant, seed, *late)
    wanted = {
        "whole": ("globex", Period(FIRST, date(2023, 12, 1), 30)),
        "part": ("globex", Period(date(2023, 11, 12), date(2023, 12, 1), 30)),
        "other": ("acme", Period(FIRST, date(2023, 12, 1), 30)),
        "empty": ("initech", Period(FIRST, date(2023, 12, 1), 30)),
    }

    async with store.transaction() as connection:
        together = await usage.read_periods(connection, account, wanted)
        single = {
            name: await usage.read_period(connection, account, tenant, period)
            for name, (tenant, period) in wanted.items()
        }

    assert {name: canonical_usage(rows) for name, rows in single.items()} == {
        name: canonical_usage(rows) for name, rows in together.items()
    }
    assert [60, 38, 60, 0] == [len(together[name]) for name in wanted]


async def hashes_of_bills(
    client: httpx.AsyncClient, headers: Headers, tenants: list[str]
) -> dict[str, tuple[str, str]]:
    found = {}
    for tenant in tenants:
        answer = await client.get(f"/v1/tenants/{tenant}/bill", headers=headers)
        (bill,) = answer.json()["subscriptions"]
        found[tenant] = (bill["input_hash"], bill["rating_hash"])
    return found
