"""What the tests of subscriptions share: a book with three plans, usage, changes."""

from datetime import date
from typing import Any
from uuid import uuid4

import httpx

from services.pricing.repository import usage
from shared.accounts.repository import Account
from shared.database import Database
from shared.events.usage_aggregated import UsageAggregated
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers

Answer = dict[str, Any]
SUBSCRIPTION = "/v1/subscriptions/main"
TOKENS = {"kinds": ["input_uncached"]}


def book(input_amount: str = "3.00", *, currency: str = "USD") -> Answer:
    """Return a price book with three plans; a thousand tokens cost `input_amount`."""
    per = {"per": "1000", "unit_amount": input_amount}
    return {
        "currency": currency,
        "charges": [
            {"model": "flat", "key": "team", "name": "Team", "amount": "300.00"},
            {"model": "flat", "key": "business", "name": "Business", "amount": "900.00"},
            {"model": "per_seat", "key": "seats", "name": "Seats", "unit_amount": "30.00"},
            {"model": "per_unit", "key": "input", "name": "Input", "usage": TOKENS, **per},
            {
                "model": "per_unit",
                "key": "searches",
                "name": "Searches",
                "usage": {"kinds": ["web_search_requests"]},
                "unit_amount": "0.01",
            },
        ],
        "plans": [
            {"key": "team", "name": "Team", "charges": ["team", "seats", "input"]},
            {"key": "business", "name": "Business", "charges": ["business", "seats", "input"]},
            {"key": "search", "name": "Search", "charges": ["searches"]},
        ],
    }


async def publish_book(
    client: httpx.AsyncClient,
    headers: Headers,
    name: str = "sold",
    *,
    content: Answer | None = None,
    version: int = 1,
    effective_on: str = "2023-11-01",
) -> httpx.Response:
    """Write and publish a version; return the answer to the last step."""
    path = f"/v1/price-books/{name}"
    await client.put(path, json={"name": name}, headers=headers)
    written = content or book()
    await client.put(f"{path}/versions/{version}", json=written, headers=headers)
    return await client.post(
        f"{path}/versions/{version}/publish", json={"effective_on": effective_on}, headers=headers
    )


async def subscribe(
    client: httpx.AsyncClient, headers: Headers, name: str = "main", **values: Any
) -> httpx.Response:
    body = {
        "tenant_id": "globex",
        "price_book": "sold",
        "plan": "team",
        "starts_on": "2023-11-01",
        "seats": 2,
    }
    path = f"/v1/subscriptions/{name}"
    return await client.put(path, json={**body, **values}, headers=headers)


async def change(
    client: httpx.AsyncClient, headers: Headers, kind: str, when: str | None = None, **values: Any
) -> httpx.Response:
    """Make a change under a key of its own; `when` is left out of the body if None."""
    named = {"Idempotency-Key": values.pop("key", str(uuid4()))}
    body = {"kind": kind, **({} if when is None else {"when": when}), **values}
    return await client.post(f"{SUBSCRIPTION}/changes", json=body, headers={**headers, **named})


async def preview(
    client: httpx.AsyncClient, headers: Headers, kind: str, when: str, **values: Any
) -> Answer:
    body = {"kind": kind, "when": when, **values}
    answer = await client.post(f"{SUBSCRIPTION}/changes/preview", json=body, headers=headers)
    assert answer.is_success, answer.text
    found: Answer = answer.json()
    return found


async def use(store: Database, vendor: str, *rows: tuple[int, str, int]) -> None:
    """Put (day of November, kind, quantity) into the copy of globex' usage."""
    message = UsageAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id="globex",
        version=1,
        watermark=NOW,
        rows=[usage_row(date(2023, 11, day), kind, quantity) for day, kind, quantity in rows],
        user_rows=[],
    )
    async with store.transaction() as connection:
        await usage.store(connection, message)


async def statements_of(client: httpx.AsyncClient, headers: Headers) -> list[Answer]:
    """Return all statements with their lines, oldest first."""
    listed = (await client.get("/v1/statements", headers=headers)).json()["statements"]
    paths = [f"/v1/statements/{row['statement_id']}" for row in listed]
    return [(await client.get(path, headers=headers)).json() for path in paths]


def amounts_of(statement: Answer) -> dict[str, str]:
    return {line["charge"]: line["amount_exact"] for line in statement["lines"]}


def account_of(vendor: str) -> Account:
    return Account(vendor, "test")
