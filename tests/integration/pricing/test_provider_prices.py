"""Provider prices over HTTP on a real database: append, list, repeat, attention."""

import asyncio
from collections.abc import AsyncIterator
from datetime import date
from fractions import Fraction
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.pricing.app import create_app
from services.pricing.handlers.provider_prices import load_prices, recent_cost
from services.pricing.handlers.usage import store_usage
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_service import (
    NOW,
    Metering,
    client_of,
    fresh_vendor,
    pricing_settings,
    vendor_key,
)
from tests.support.pricing_usage import usage_row
from tests.support.pricing_values import usage
from tests.support.stack import StackAddress

PRICES = "/v1/provider-prices"
DAY = date(2023, 11, 16)
PRICE: dict[str, Any] = {
    "source": "contract",
    "provider": "anthropic",
    "model": "claude-sonnet-4-6",
    "kind": "input_uncached",
    "effective_from": "2023-11-01",
    "per": "1000000",
    "unit_amount": "2.40",
}

Headers = dict[str, str]


@pytest.fixture(scope="module", name="client")
async def _client(stack: StackAddress, database: TestDatabase) -> AsyncIterator[httpx.AsyncClient]:
    settings = pricing_settings(stack, database, group=f"pricing-{uuid4().hex}")
    async with client_of(create_app(settings, FrozenClock(NOW))) as client:
        yield client


@pytest.fixture(scope="module", name="store")
async def _store(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["pricing"], connections=2)
    yield opened
    await opened.close()


@pytest.fixture(name="vendor")
def _vendor() -> str:
    return fresh_vendor()


@pytest.fixture(name="headers")
async def _headers(database: TestDatabase, vendor: str) -> Headers:
    return await vendor_key(database, vendor)


async def append(
    client: httpx.AsyncClient, headers: Headers, *prices: dict[str, Any], key: str | None = None
) -> httpx.Response:
    named = {"Idempotency-Key": key or uuid4().hex}
    return await client.post(PRICES, json={"prices": prices}, headers=headers | named)


async def test_prices_are_appended_and_found(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """What was stated over HTTP is what usage of its days costs, in its long context too."""
    long_context = [{"above": 200_000, "unit_amount": "4.80"}]

    answer = await append(client, headers, PRICE | {"long_context": long_context})

    assert 201 == answer.status_code
    async with store.transaction() as connection:
        prices = await load_prices(connection, Account(vendor, "test"))
    short, long = (
        prices.find(usage("input_uncached", 1, usage_day=DAY, context_band=band))
        for band in ("200k", "256k")
    )
    assert [2_400_000, 4_800_000] == [
        getattr(found, "unit_amount", 0) * 10**12 for found in (short, long)
    ]


async def test_every_fault_is_told_at_once(client: httpx.AsyncClient, headers: Headers) -> None:
    """A faulty body stores nothing and lists each fault with code and place."""
    faulty = {
        "source": "rumour",
        "provider": "",
        "model": "claude sonnet",
        "kind": "input_uncached",
        "effective_from": "2023-11-01",
        "effective_to": "2023-11-01",
        "per": "0",
        "unit_amount": 2.4,
        "long_context": [{"above": 100_000, "unit_amount": "-1"}],
        "colour": "red",
    }

    answer = await append(client, headers, PRICE, faulty)

    assert (400, "invalid_provider_prices") == (answer.status_code, answer.json()["code"])
    assert {
        ("unknown_choice", "prices[1].source"),
        ("invalid_text", "prices[1].provider"),
        ("invalid_text", "prices[1].model"),
        ("ends_before_start", "prices[1].effective_to"),
        ("not_positive", "prices[1].per"),
        ("not_a_decimal_string", "prices[1].unit_amount"),
        ("not_a_band_edge", "prices[1].long_context[0].above"),
        ("negative_price", "prices[1].long_context[0].unit_amount"),
        ("unknown_field", "prices[1].colour"),
    } == {(fault["code"], fault["path"]) for fault in answer.json()["faults"]}
    listed = await client.get(PRICES, headers=headers)
    assert [] == listed.json()["prices"]


@pytest.mark.parametrize("body", [None, [], "x", {"prices": []}, {"prices": [7]}, {}])
async def test_a_body_of_another_shape_is_refused(
    client: httpx.AsyncClient, headers: Headers, body: Any
) -> None:
    """Anything that is no list of prices is a 400, never a failure."""
    named = headers | {"Idempotency-Key": uuid4().hex}

    answer = await client.post(PRICES, json=body, headers=named)

    assert 400 == answer.status_code


async def test_a_repeated_write_is_one_write(client: httpx.AsyncClient, headers: Headers) -> None:
    """Ten attempts at once with one key are one row and one answer; another body is a conflict."""
    answers = await asyncio.gather(*(append(client, headers, PRICE, key="k") for _ in range(10)))
    other = await append(client, headers, PRICE | {"unit_amount": "9"}, key="k")

    assert 1 == len({answer.text for answer in answers})
    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])
    listed = await client.get(PRICES, headers=headers)
    assert ["2.4"] == [price["unit_amount"] for price in listed.json()["prices"]]


async def test_a_write_without_a_key_is_refused(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Without an idempotency key an attempt could not be told from a second write."""
    answer = await client.post(PRICES, json={"prices": [PRICE]}, headers=headers)

    assert 400 == answer.status_code
    assert ["header.Idempotency-Key"] == [fault["path"] for fault in answer.json()["faults"]]


async def test_pages_hold_each_row_once(client: httpx.AsyncClient, headers: Headers) -> None:
    """Following the cursor reads every row once, in the order of writing, filtered or not."""
    kinds = [f"unit_{number}" for number in range(5)]
    await append(client, headers, *(PRICE | {"kind": kind} for kind in kinds))
    seen, after = [], 0
    while after is not None:
        page = await client.get(PRICES, params={"after": after, "limit": 2}, headers=headers)
        seen += [price["kind"] for price in page.json()["prices"]]
        after = page.json()["next_after"]

    manual = await client.get(PRICES, params={"source": "manual"}, headers=headers)

    assert kinds == seen
    assert [] == manual.json()["prices"]


async def test_nobody_reads_the_prices_of_another_vendor(
    client: httpx.AsyncClient, headers: Headers, database: TestDatabase
) -> None:
    """A vendor's contract stays its own."""
    await append(client, headers, PRICE)

    listed = await client.get(PRICES, headers=await vendor_key(database, fresh_vendor()))

    assert [] == listed.json()["prices"]


@pytest.mark.parametrize(
    "change", ["update pricing.provider_price set note = 'x'", "delete from pricing.provider_price"]
)
async def test_a_stated_price_is_never_changed(
    client: httpx.AsyncClient, headers: Headers, store: Database, change: str
) -> None:
    """The owner of the table cannot change a row either."""
    await append(client, headers, PRICE)

    with pytest.raises(DBAPIError, match="immutable"):
        async with store.transaction() as connection:
            await connection.execute(text(change))


async def test_unpriced_usage_waits_until_a_price_is_stated(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """Usage of an unknown model is listed, is no zero, and is priced as from the start later."""
    account = Account(vendor, "test")
    rows = [
        usage_row(DAY, "input_uncached", 2_000_000, model="house-model"),
        usage_row(DAY, "output_text", 1_000_000),
    ]
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("globex", rows))
        before = await recent_cost(connection, account)
    waiting = await client.get("/v1/attention", headers=headers)

    await append(client, headers, PRICE | {"model": "house-model", "source": "manual"})

    async with store.transaction() as connection:
        after = await recent_cost(connection, account)
    quiet = await client.get("/v1/attention", headers=headers)
    assert (Fraction(15), False) == (before.total, before.complete)
    assert ["anthropic/house-model/input_uncached"] == unpriced(waiting)
    assert (Fraction("19.8"), True) == (after.total, after.complete)
    assert [] == unpriced(quiet)


def unpriced(answer: httpx.Response) -> list[str]:
    items = answer.json()["items"]
    return [item["subject"] for item in items if item["code"] == "unpriced_usage"]
