"""What the tests of simulations share: five tenants on different terms, a month of their usage."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import uuid4

import httpx

from examples.demo.catalog import price_book
from services.pricing.handlers.usage import store_usage
from services.pricing.simulating import Simulator
from shared.database import Database
from shared.events.usage_aggregated import UsageRow, UserUsageRow
from tests.support.pricing_service import Metering
from tests.support.pricing_usage import usage_row

from .billing_api import FIRST_VERSION, Headers, publish
from .subscription_api import publish_book

Answer = dict[str, Any]
TENANTS: dict[str, Answer] = {
    "globex": {"plan": "support"},
    "acme": {"plan": "coding"},
    "initech": {"plan": "research", "seats": 25},
    "hooli": {"plan": "research", "seats": 3, "starts_on": "2023-10-09", "anchor_day": 15},
    "umbrella": {"plan": "support", "starts_on": "2023-11-11", "trial_days": 3},
}
OCTOBER, NOVEMBER = date(2023, 10, 1), date(2023, 11, 1)


async def sell(client: httpx.AsyncClient, headers: Headers) -> None:
    """Publish the demo's book from October on, and put each tenant on its plan."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    published = await publish(client, headers, effective_on="2023-10-01")
    assert 200 == published.status_code, published.text
    for tenant, terms in TENANTS.items():
        await client.put(f"/v1/tenants/{tenant}", json={"name": tenant}, headers=headers)
        body = {"tenant_id": tenant, "price_book": "demo", "starts_on": "2023-11-01", **terms}
        made = await client.put(f"/v1/subscriptions/{tenant}", json=body, headers=headers)
        assert made.is_success, made.text


async def use(store: Database, vendor: str, *, first: date = NOVEMBER, days: int = 30) -> None:
    """Let each tenant use something on many days, by users of different appetite."""
    metering = Metering("", vendor)
    for number, tenant in enumerate(TENANTS, start=1):
        rows, user_rows = [], []
        for day in range(0, days, 2):
            on = date.fromordinal(first.toordinal() + day)
            for place, (model, kind) in enumerate(USED):
                quantity = (number * 7_919 + day * 104_729 + place * 611_953) % 9_000_001
                user = f"user-{(day + place) % (number + 1)}"
                rows.append(usage_row(on, kind, quantity, model=model, provider="openai"))
                user_rows.append(by_user(user, on, kind, quantity, model=model))
        await store_rows(store, metering, tenant, rows, user_rows)


USED = (
    ("gpt-5", "input_uncached"),
    ("gpt-5-mini", "input_uncached"),
    ("gpt-5", "output_text"),
    ("gpt-5", "input_cache_read"),
)


def by_user(user: str, day: date, kind: str, quantity: int, *, model: str) -> UserUsageRow:
    """Return usage of one user that was booked on its day."""
    values = {
        "team": "",
        "user": user,
        "agent": "support-0",
        "model": model,
        "kind": kind,
        "purpose": "production",
        "usage_day": day,
        "booked_day": day,
        "entry": "usage",
        "quantity": str(quantity),
        "events": 1,
    }
    return UserUsageRow.model_validate(values)


async def store_rows(
    store: Database,
    metering: Metering,
    tenant: str,
    rows: Sequence[UsageRow],
    user_rows: Sequence[UserUsageRow] = (),
) -> None:
    message = metering.usage(tenant, list(rows)).model_copy(update={"user_rows": list(user_rows)})
    async with store.transaction() as connection:
        await store_usage(connection, message)


async def ask(client: httpx.AsyncClient, headers: Headers, body: Answer) -> httpx.Response:
    named = {"Idempotency-Key": str(uuid4())}
    return await client.post("/v1/simulations", json=body, headers={**headers, **named})


async def simulate(
    client: httpx.AsyncClient, headers: Headers, simulator: Simulator, body: Answer
) -> Answer:
    """Ask for a simulation, let the second process run it, and return what came out."""
    asked = await ask(client, headers, body)
    assert 202 == asked.status_code, asked.text
    path = f"/v1/simulations/{asked.json()['simulation_id']}"
    await simulator.look()
    state = (await client.get(path, headers=headers)).json()
    assert "done" == state["state"], state
    result: Answer = (await client.get(f"{path}/result", headers=headers)).json()
    return result


def by_tenant(result: Answer, plan: str) -> dict[str, Answer]:
    """Return what a plan comes to, by tenant."""
    (found,) = (one for one in result["plans"] if one["plan"] == plan)
    return {tenant["tenant_id"]: tenant for tenant in found["tenants"]}


def tried(name: str, version: int | None = None) -> Answer:
    return {"price_book": "tried", "plan": name, "version": version}


async def sell_by_hand(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Put three tenants on 100 a month, and draft a book of seats and usage."""
    today = {"currency": "USD", "charges": [flat("100")], "plans": [whole("flat", "fee")]}
    assert (await publish_book(client, headers, "today", content=today)).is_success
    seat = {"key": "seat", "name": "Seat", "model": "per_seat", "unit_amount": "20"}
    tokens = {
        "key": "tokens",
        "name": "Tokens",
        "model": "per_unit",
        "unit_amount": "3",
        "per": "1000000",
        "usage": {"kinds": ["input_uncached"]},
    }
    within = {**tokens, "key": "within", "unit_amount": "0"}
    plans = [whole("seats", "seat", "within"), whole("usage", "tokens")]
    draft = {"currency": "USD", "charges": [seat, tokens, within], "plans": plans}
    await client.put("/v1/price-books/tried", json={"name": "Tried"}, headers=headers)
    path = "/v1/price-books/tried/versions/1"
    assert (await client.put(path, json=draft, headers=headers)).is_success
    metering = Metering("", vendor)
    for tenant, users, millions in (("a", 10, 100), ("b", 2, 10), ("c", 1, 1)):
        await client.put(f"/v1/tenants/{tenant}", json={"name": tenant}, headers=headers)
        terms = {"tenant_id": tenant, "price_book": "today", "plan": "flat"}
        body = {**terms, "starts_on": "2023-11-01"}
        assert (
            await client.put(f"/v1/subscriptions/{tenant}", json=body, headers=headers)
        ).is_success
        day, each = date(2023, 11, 9), millions * 1_000_000 // users
        rows = [usage_row(day, "input_uncached", millions * 1_000_000)]
        people = [
            by_user(f"u{n}", day, "input_uncached", each, model="claude-sonnet-4-6")
            for n in range(users)
        ]
        await store_rows(store, metering, tenant, rows, people)


def flat(amount: str) -> Answer:
    return {"key": "fee", "name": "Fee", "model": "flat", "amount": amount}


def whole(key: str, *charges: str) -> Answer:
    return {"key": key, "name": key.title(), "charges": list(charges)}
