"""Credits when periods close: what they pay, in which order, and what comes back."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any

import httpx

from services.pricing.handlers.wallets import give, return_credits
from services.pricing.repository import wallets
from services.pricing.repository.invariants_ledger import check_ledger
from services.pricing.repository.wallets import Wallet
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from tests.support.credit_values import grant

from .billing_api import TERMS, Headers, days_of, publish_demo, seal, statements_of

NOVEMBER = date(2023, 11, 1)


async def give_all(store: Database, held: Wallet, *grants: Any) -> None:
    for one in grants:
        async with store.transaction() as connection:
            await give(connection, held, one, on=NOVEMBER, origin="grant")


async def balances(store: Database, held: Wallet) -> dict[str, Fraction]:
    async with store.transaction() as connection:
        states = await wallets.read_states(connection, held)
        assert [] == (await check_ledger(connection, held.vendor_id, None)).offending
    return {state.grant.grant_id: state.balance for state in states}


def voided(
    vendor: str, statement_id: str | None, state: str = "void", reason: str | None = None
) -> InvoiceChanged:
    return InvoiceChanged.model_validate(
        {
            "vendor_id": vendor,
            "mode": "test",
            "tenant_id": "globex",
            "invoice_id": "i",
            "statement_id": statement_id,
            "invoice_key": "k",
            "number": "N-1",
            "state": state,
            "reason": reason,
            "currency": "USD",
            "total_minor": 0,
            "period_start": NOVEMBER,
            "period_end": date(2023, 12, 1),
            "stripe_invoice_id": None,
            "changed_at": datetime(2024, 1, 10, tzinfo=UTC),
        }
    )


async def test_statements_draw_as_periods_end(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Two months that close at once draw as they would have one by one; a grant ends in between.

    The demo's plan takes 500 a month. The grant that ends with November pays November only.
    """
    held = Wallet(vendor, "test", "globex", "USD")
    ends = date(2023, 12, 1)
    await publish_demo(client, headers)
    await give_all(store, held, grant("a", 400, expires_on=ends), grant("b", 450))
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)

    await seal(store, vendor, *days_of(NOVEMBER, date(2023, 12, 31)))
    first, second = await statements_of(client, headers)

    assert [("a", "400"), ("b", "100")] == drawn(first)
    assert [("b", "350")] == drawn(second)
    assert ["500", "500"] == [first["total_exact"], second["total_exact"]]
    assert {"a": 0, "b": 0} == await balances(store, held)


def drawn(statement: Any) -> list[tuple[str, str]]:
    return [(draw["grant_id"], draw["amount_exact"]) for draw in statement["credits"]]


async def test_the_rating_is_that_of_a_tenant_without_credit(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Drawing is a step after rating: the running bill's hash is that of the paid statement."""
    held = Wallet(vendor, "test", "globex", "USD")
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    bill = (await client.get("/v1/tenants/globex/bill", headers=headers)).json()
    await give_all(store, held, grant("a", 10))

    await seal(store, vendor, date(2023, 11, 30))
    (statement,) = await statements_of(client, headers)

    assert bill["subscriptions"][0]["rating_hash"] == statement["rating_hash"]
    assert [("a", "10")] == drawn(statement)


async def test_voiding_an_invoice_returns_its_credits(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """What a voided invoice had drawn is back in its grant, once; no other state returns it.

    Nor does the void of an invoice that is replaced: the new one is lower by the same credits.
    """
    held = Wallet(vendor, "test", "globex", "USD")
    await publish_demo(client, headers)
    await give_all(store, held, grant("a", 600))
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal(store, vendor, date(2023, 11, 30))
    (statement,) = await statements_of(client, headers)

    seen = []
    for message in (
        voided(vendor, statement["statement_id"], "paid"),
        voided(vendor, statement["statement_id"], "credited"),
        voided(vendor, None),
        voided(vendor, statement["statement_id"], reason="revised"),
        voided(vendor, statement["statement_id"]),
        voided(vendor, statement["statement_id"]),
    ):
        async with store.transaction() as connection:
            await return_credits(connection, message)
        seen.append((await balances(store, held))["a"])

    assert [100, 100, 100, 100, 600, 600] == seen
