"""Statements on a real database: what they carry of cost, and what of a plan is read again."""

from datetime import date
from typing import Any

import httpx
import pytest

from services.pricing.handlers.plans import Plans
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.list_prices import list_release
from services.pricing.repository import catalog, usage
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import TERMS, Headers, publish_demo, seal_november

USED_ON = date(2023, 11, 16)


@pytest.fixture(name="books")
def _books(store: Database, vendor: str) -> tuple[Database, str]:
    return store, vendor


async def use(store: Database, vendor: str, model: str, quantity: int) -> None:
    """Count some tokens of globex."""
    row = usage_row(USED_ON, "input_uncached", quantity, model=model)
    message = UsageAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id="globex",
        version=1,
        watermark=NOW,
        rows=[row],
        user_rows=[],
    )
    async with store.transaction() as connection:
        await usage.store(connection, message)


async def stated(client: httpx.AsyncClient, headers: Headers) -> Any:
    """Return the one statement of a vendor."""
    (found,) = (await client.get("/v1/statements", headers=headers)).json()["statements"]
    path = f"/v1/statements/{found['statement_id']}"
    return (await client.get(path, headers=headers)).json()


@pytest.mark.parametrize(
    ("model", "cost"),
    [
        # The list says 3 dollars a million; the demo's plan takes 500 and 4 a million.
        ("claude-sonnet-4-6", {"state": "priced", "amount_exact": "3", "margin_exact": "501"}),
        ("unheard-of", {"state": "unpriced", "amount_exact": None, "margin_exact": None}),
    ],
)
async def test_a_statement_carries_its_cost(
    client: httpx.AsyncClient,
    headers: Headers,
    books: tuple[Database, str],
    model: str,
    cost: dict[str, str | None],
) -> None:
    """Cost, margin and the release of the list are stored; unpriced is never 0."""
    store, vendor = books
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await use(store, vendor, model, 1_000_000)
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await seal_november(store, vendor)

    found = await stated(client, headers)

    assert cost == found["cost"] == bill["subscriptions"][0]["cost"]
    assert list_release() == found["list_prices"]
    assert ([model] if cost["state"] == "unpriced" else []) == [
        row["model"] for row in found["unpriced"]
    ]


async def test_stated_prices_count_at_once(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Prices that are kept between two ratings are read anew once one more is stated."""
    account = Account(vendor, "test")
    async with store.transaction() as connection:
        before = await load_prices(connection, account)
        again = await load_prices(connection, account)
    price = {"source": "contract", "provider": "x", "model": "y", "kind": "z", "unit_amount": "1"}
    body = {"prices": [{**price, "per": "1", "effective_from": "2023-11-01"}]}
    answer = await client.post(
        "/v1/provider-prices", json=body, headers={**headers, "Idempotency-Key": "one"}
    )
    async with store.transaction() as connection:
        after = await load_prices(connection, account)

    assert answer.is_success, answer.text
    assert before is again
    assert before is not after


async def test_a_plan_is_built_once(
    client: httpx.AsyncClient,
    headers: Headers,
    vendor: str,
    store: Database,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The content is read on the first look; beyond its bound the least used plan goes."""
    await publish_demo(client, headers)
    account = Account(vendor, "test")
    reads = []
    read_version = catalog.read_version

    async def counted(*arguments: Any, **named: Any) -> Any:
        reads.append(named)
        return await read_version(*arguments, **named)

    monkeypatch.setattr("services.pricing.handlers.plans.catalog.read_version", counted)
    plans = Plans(limit=2)
    async with store.transaction() as connection:
        version = await catalog.hash_in_force(connection, account, "demo", on=USED_ON)
        assert version is not None
        found = [
            await plans.find(connection, account, version, name)
            for name in ("support", "support", "research", "support", "none", "support", "research")
        ]

    assert found[0] is found[1] is found[3] is found[5]
    assert (True, None) == (found[0] is not None, found[4])
    assert 4 == len(reads)
