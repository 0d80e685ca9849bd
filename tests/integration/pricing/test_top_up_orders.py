"""Orders of credit on a real database: invoiced once, granted once, when they are paid."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest

from services.pricing.handlers.invoices import settle_invoice
from services.pricing.handlers.wallets import draw, give
from services.pricing.repository import wallets
from services.pricing.repository.invariants_invoiced import check_invoiced_before
from services.pricing.repository.invariants_ledger import check_ledger
from services.pricing.repository.wallets import Wallet
from services.pricing.tables import outbox
from shared.database import Database
from shared.events.invoice_changed import InvoiceChanged
from tests.support.credit_values import grant
from tests.support.pricing_statements import line, statement

from .billing_api import Headers, statements_of
from .test_credits_at_closing import voided

WALLET = "/v1/tenants/globex/wallets/USD"
ORDERS = f"{WALLET}/top-up-orders"
Answer = dict[str, Any]
TODAY = datetime(2023, 12, 2, 9, tzinfo=UTC)
LATER = datetime(2023, 12, 10, 9, tzinfo=UTC)


async def order(
    client: httpx.AsyncClient,
    headers: Headers,
    *,
    key: str | None = None,
    path: str = ORDERS,
    **body: Any,
) -> httpx.Response:
    named = headers | {"Idempotency-Key": key or uuid4().hex}
    return await client.post(path, json={"amount": "100", **body}, headers=named)


async def ordered(client: httpx.AsyncClient, headers: Headers, **body: Any) -> Answer:
    answer = await order(client, headers, **body)
    assert answer.is_success, answer.text
    made: Answer = answer.json()
    return made


def told(vendor: str, statement_id: str | None, state: str, at: datetime = TODAY) -> InvoiceChanged:
    """Return what invoicing would say, also states that it has beside those of an invoice."""
    update = {"state": state, "changed_at": at, "invoice_key": f"key-of-{statement_id}"}
    return voided(vendor, statement_id).model_copy(update=update)


async def tell(
    store: Database, vendor: str, made: Answer, *states: str, at: datetime = TODAY
) -> None:
    for state in states:
        async with store.transaction() as connection:
            await settle_invoice(connection, told(vendor, made["statement_id"], state, at))


async def read(client: httpx.AsyncClient, headers: Headers, path: str = WALLET) -> Answer:
    answer: Answer = (await client.get(path, headers=headers)).json()
    return answer


async def attention(client: httpx.AsyncClient, headers: Headers) -> list[tuple[str, str]]:
    items = (await read(client, headers, "/v1/attention"))["items"]
    return [(item["code"], item["subject"]) for item in items if item["code"].startswith("top_up")]


async def test_an_order_is_a_statement_and_no_credit(
    client: httpx.AsyncClient, headers: Headers, store: Database
) -> None:
    """It is of the kind `topup`, on its own day, for its price; nothing is granted by it."""
    made = await ordered(client, headers, amount="100", price="90.50", valid_days=30)
    (issued,) = await statements_of(client, headers)
    async with store.transaction() as connection:
        rows = (await connection.execute(outbox.select())).mappings().all()

    assert ("open", None, "100", "90.5") == tuple(
        made[name] for name in ("state", "grant_id", "amount", "price")
    )
    names = ("statement_id", "kind", "subscription_id", "sequence", "period_start", "period_end")
    assert (made["statement_id"], "topup", "-", 1, "2023-12-02", "2023-12-03") == tuple(
        issued[name] for name in names
    )
    assert ("90.5", [("000-topup", "100", "90.5")]) == (
        issued["total_exact"],
        [(one["line_key"], one["quantity"], one["amount_exact"]) for one in issued["lines"]],
    )
    assert 1 == sum(made["statement_id"] in str(row["headers"]) for row in rows)
    assert "0" == (await read(client, headers))["balance_exact"]


async def test_an_order_sent_twice_is_one(client: httpx.AsyncClient, headers: Headers) -> None:
    """Attempts under one key are one order and one statement; other bodies and keys are others."""
    answers = await asyncio.gather(
        *(order(client, headers, key="order-1") for _ in range(6)), order(client, headers)
    )
    other = await order(client, headers, key="order-1", amount="200")
    listed = await read(client, headers, ORDERS)

    assert [201] * 7 == [answer.status_code for answer in answers]
    assert 1 == len({answer.text for answer in answers[:6]})
    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])
    assert [1, 2] == [one["number"] for one in listed["orders"]]
    assert 2 == len(await statements_of(client, headers))


async def test_orders_at_once_are_numbered_one_by_one(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """None fails because another took its number."""
    answers = await asyncio.gather(*(order(client, headers) for _ in range(8)))

    assert [201] * 8 == [answer.status_code for answer in answers]
    assert [*range(1, 9)] == sorted(answer.json()["number"] for answer in answers)


async def test_a_paid_order_is_granted_once(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """However often it is told, from the day of the payment on, at what a unit was paid with."""
    made = await ordered(client, headers, amount="100", price="75", valid_days=30)
    await tell(store, vendor, made, "draft", "issued", "sent")
    before = (await read(client, headers))["balance_exact"]
    await asyncio.gather(*(tell(store, vendor, made, "paid", at=LATER) for _ in range(2)))
    await tell(store, vendor, made, "paid")
    shown = await read(client, headers, f"{ORDERS}/{made['order_id']}")
    wallet = await read(client, headers)
    (granted,) = wallet["grants"]
    async with store.transaction() as connection:
        ledger = await check_ledger(connection, vendor, None)
        settled = await check_invoiced_before(connection, vendor, None)

    assert (1, []) == (settled.looked_at, settled.offending)
    assert "0" == before
    assert ("paid", granted["grant_id"]) == (shown["state"], shown["grant_id"])
    terms = granted["terms"]
    assert ("100", "0.75", "at_purchase", "2023-12-10", "2024-01-09") == tuple(
        terms[name] for name in ("amount", "cost_basis", "tax", "valid_from", "expires_on")
    )
    assert (1, []) == (ledger.looked_at, ledger.offending)


async def test_a_crash_leaves_neither_note_nor_grant(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Both are one transaction, which comes again."""
    made = await ordered(client, headers)
    with pytest.raises(RuntimeError, match="crash"):
        await _crash(store, vendor, made)
    crashed = await read(client, headers, f"{ORDERS}/{made['order_id']}")
    await tell(store, vendor, made, "paid")

    assert "open" == crashed["state"]
    held = Wallet(vendor, "test", "globex", "USD")
    async with store.transaction() as connection:
        assert [100] == [state.balance for state in await wallets.read_states(connection, held)]


async def test_a_grant_that_nobody_paid_is_found(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """`tallyrollctl verify` names an order whose credit is there without a payment."""
    made = await ordered(client, headers)
    held = Wallet(vendor, "test", "globex", "USD")
    async with store.transaction() as connection:
        forged = grant(f"top-up-{made['order_id']}", 100)
        await give(connection, held, forged, on=TODAY.date(), origin="grant")
        found = await check_invoiced_before(connection, vendor, None)

    assert [True] == [one.endswith("100 is granted, nothing is due") for one in found.offending]


async def _crash(store: Database, vendor: str, made: Answer) -> None:
    async with store.transaction() as connection:
        await settle_invoice(connection, told(vendor, made["statement_id"], "paid"))
        raise RuntimeError("crash")


@pytest.mark.parametrize("state", ["void", "uncollectible"])
async def test_what_is_not_paid_is_not_granted_and_is_seen(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, state: str
) -> None:
    """A person finds it, deals with it, and it is gone; a payment that comes after all counts."""
    made = await ordered(client, headers)
    nothing = await attention(client, headers)
    await tell(store, vendor, made, state)
    seen = await attention(client, headers)
    dismissed = [await _dismiss(client, headers, made) for _ in range(2)]
    after = await attention(client, headers)
    unpaid = await read(client, headers)
    await tell(store, vendor, made, "paid")
    paid = await read(client, headers)

    assert ([], [("top_up_unpaid", made["order_id"])], []) == (nothing, seen, after)
    assert [(200, "unpaid", True)] * 2 == [
        (one.status_code, one.json()["state"], one.json()["dismissed"]) for one in dismissed
    ]
    assert ("0", "100") == (unpaid["balance_exact"], paid["balance_exact"])


async def _dismiss(client: httpx.AsyncClient, headers: Headers, made: Answer) -> httpx.Response:
    named = headers | {"Idempotency-Key": uuid4().hex}
    path = f"{ORDERS}/{made['order_id']}/dismiss"
    return await client.post(path, json={"reason": "asked them"}, headers=named)


@pytest.mark.parametrize("fact", ["refunded", "disputed", "credited"])
async def test_money_that_goes_back_is_seen(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str, fact: str
) -> None:
    """The credit stays until a person has settled it; what was dismissed before hides nothing."""
    made = await ordered(client, headers)
    await tell(store, vendor, made, "uncollectible")
    await _dismiss(client, headers, made)
    await tell(store, vendor, made, "paid")
    healthy = (await attention(client, headers), (await _dismiss(client, headers, made)))
    await tell(store, vendor, made, fact)
    seen = await attention(client, headers)
    await _dismiss(client, headers, made)

    assert ([], 409) == (healthy[0], healthy[1].status_code)
    assert [("top_up_taken_back", made["order_id"])] == seen
    assert [] == await attention(client, headers)
    assert "100" == (await read(client, headers))["balance_exact"]


async def test_a_wallet_that_runs_low_orders_once(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Below its bound one order goes out, and no other until it is paid, or seen as unpaid."""
    rule = {"below": "20", "amount": "50", "by": "order"}
    await client.put(WALLET, json={"automatic_top_up": rule}, headers=headers)

    async def spend() -> list[str]:
        async with store.transaction() as connection:
            await draw(connection, statement(vendor, line("5")))
        return [one["state"] for one in (await read(client, headers, ORDERS))["orders"]]

    states = [await spend(), await spend()]
    (first,) = (await read(client, headers, ORDERS))["orders"]
    await tell(store, vendor, first, "uncollectible")
    states.append(await spend())
    await _dismiss(client, headers, first)
    states.append(await spend())
    second = (await read(client, headers, ORDERS))["orders"][1]
    await tell(store, vendor, second, "paid")
    wallet = await read(client, headers)

    assert [["open"], ["open"], ["unpaid"], ["unpaid", "open"]] == states
    assert ("automatic", "50", "50") == tuple(first[name] for name in ("origin", "amount", "price"))
    assert "50" == wallet["balance_exact"]
    assert rule == wallet["automatic_top_up"]


async def test_each_tenant_counts_its_own_orders(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """The key of an invoice holds the tenant and its order's number."""
    await client.put("/v1/tenants/hooli", json={"name": "Hooli"}, headers=headers)
    path = ORDERS.replace("globex", "hooli")
    made = [await ordered(client, headers), await ordered(client, headers, path=path)]

    assert [1, 1] == [one["number"] for one in made]
    assert 2 == len(await statements_of(client, headers))


async def test_every_fault_of_an_order_is_told(client: httpx.AsyncClient, headers: Headers) -> None:
    """A faulty order is refused with each fault, and nothing goes out."""
    answer = await order(client, headers, amount="0", price=5, tax="never", valid_days=0, gift=1)

    assert (400, "invalid_top_up_order") == (answer.status_code, answer.json()["code"])
    assert {
        ("not_positive", "amount"),
        ("not_a_decimal_string", "price"),
        ("unknown_choice", "tax"),
        ("out_of_range", "valid_days"),
        ("unknown_field", "gift"),
    } == {(fault["code"], fault["path"]) for fault in answer.json()["faults"]}
    assert [] == await statements_of(client, headers)


async def test_a_tenant_reads_its_orders_and_places_none(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Orders are placed with a key of the vendor."""
    made = await ordered(client, headers)
    body = {"name": "own", "tenant_id": "globex", "scopes": ["billing:read", "billing:write"]}
    named = headers | {"Idempotency-Key": uuid4().hex}
    created = await client.post("/v1/api-keys", json=body, headers=named)
    own = {"Authorization": f"Bearer {created.json()['api_key']}"}

    listed = await read(client, own, ORDERS)
    refused = await order(client, own)
    missing = await client.get(f"{ORDERS}/{uuid4()}", headers=headers)

    assert [made["order_id"]] == [one["order_id"] for one in listed["orders"]]
    assert 403 == refused.status_code
    assert (404, "unknown_top_up_order") == (missing.status_code, missing.json()["code"])
