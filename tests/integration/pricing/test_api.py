"""Subscriptions, bills and access over the HTTP API of pricing, on a real database."""

import asyncio
from datetime import date
from typing import Any

import httpx
import pytest

from services.pricing.handlers.usage import store_usage
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_service import (
    Metering,
    fresh_vendor,
    vendor_key,
)
from tests.support.pricing_usage import usage_row

from .billing_api import (
    BOOK,
    FIRST_VERSION,
    TERMS,
    Headers,
    publish_demo,
    seal_november,
)


@pytest.fixture(name="used")
async def _used(vendor: str, store: Database) -> None:
    """Store usage of globex on November 9."""
    rows = [usage_row(date(2023, 11, 9), "input_uncached", 5)]
    async with store.transaction() as connection:
        await store_usage(connection, Metering("", vendor).usage("globex", rows))


@pytest.mark.parametrize(
    ("values", "codes"),
    [
        (None, ["usage_without_subscription"]),
        ({"ends_on": "2023-11-08"}, ["usage_without_subscription"]),
        ({"starts_on": "2023-11-10"}, ["usage_without_subscription"]),
        ({"ends_on": "2023-11-09"}, []),
        ({"starts_on": "2023-11-09"}, []),
    ],
)
async def test_usage_that_nothing_bills_is_told(
    client: httpx.AsyncClient,
    headers: Headers,
    used: None,
    values: dict[str, str] | None,
    codes: list[str],
) -> None:
    """Usage on days without a subscription waits for a person, unless the tenant is internal."""
    await publish_demo(client, headers)
    if values is not None:
        await client.put("/v1/subscriptions/main", json=TERMS | values, headers=headers)

    waiting = await client.get("/v1/attention", headers=headers)
    internal = {"name": "Globex", "billing": "internal"}
    await client.put("/v1/tenants/globex", json=internal, headers=headers)
    never_billed = await client.get("/v1/attention", headers=headers)

    assert codes == [item["code"] for item in waiting.json()["items"]]
    assert [] == never_billed.json()["items"]


async def test_the_same_subscription_again_changes_nothing(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Equal terms are one subscription however often and at once they are written."""
    await publish_demo(client, headers)
    writes = [client.put("/v1/subscriptions/main", json=TERMS, headers=headers) for _ in range(4)]

    answers = await asyncio.gather(*writes)

    assert {200} == {answer.status_code for answer in answers}
    listed = (await client.get("/v1/subscriptions", headers=headers)).json()
    assert 1 == len(listed["subscriptions"])


@pytest.mark.parametrize(
    ("path", "change", "refusal"),
    [
        ("main", {"seats": 3}, "409 subscription_exists"),
        ("other", {}, "409 subscriptions_claim_same_usage"),
        ("other", {"tenant_id": "nobody"}, "404 unknown_tenant"),
        ("other", {"price_book": "none"}, "404 unknown_price_book"),
        ("other", {"plan": "none"}, "404 unknown_plan"),
        ("other", {"anchor_day": 32}, "400 invalid_request"),
        ("other", {"starts_on": "9999-12-31"}, "400 invalid_request"),
        ("other", {"starts_on": 5}, "400 invalid_request"),
        ("other", {"ends_on": "2023-10-01"}, "400 invalid_request"),
        ("other", {"seats": 10**30}, "400 invalid_request"),
        ("other", {"surprise": 1}, "400 invalid_request"),
        ("Upper", {}, "400 invalid_request"),
    ],
)
async def test_a_bad_subscription_is_refused(
    client: httpx.AsyncClient, headers: Headers, path: str, change: Any, refusal: str
) -> None:
    """Every refusal has its status and a stable code."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)

    body = {**TERMS, **change}
    answer = await client.put(f"/v1/subscriptions/{path}", json=body, headers=headers)

    assert refusal == f"{answer.status_code} {answer.json()['code']}"


async def test_another_vendor_sees_nothing(
    client: httpx.AsyncClient,
    database: TestDatabase,
    headers: Headers,
    vendor: str,
    store: Database,
) -> None:
    """A key of another vendor finds no book, subscription, tenant, statement or attention."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)
    own = (await client.get("/v1/statements", headers=headers)).json()["statements"]
    foreign = await vendor_key(database, fresh_vendor())

    single = [BOOK, FIRST_VERSION, "/v1/subscriptions/main", "/v1/tenants/globex/bill"]
    single.append(f"/v1/statements/{own[0]['statement_id']}")
    codes = [(await client.get(path, headers=foreign)).status_code for path in single]
    lists = {"price_books": "/v1/price-books", "subscriptions": "/v1/subscriptions"}
    found = [(await client.get(path, headers=foreign)).json()[name] for name, path in lists.items()]
    statements = (await client.get("/v1/statements", headers=foreign)).json()["statements"]

    assert ([404] * 5, [[], []], []) == (codes, found, statements)


async def test_a_tenants_key_sees_its_own_bill_only(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """A tenant's key reads its own bill and statements, no other's and no catalog."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=headers)
    keys = {}
    for tenant in ("acme", "globex"):
        body = {"name": tenant, "scopes": ["billing:read"], "tenant_id": tenant}
        made = await client.post("/v1/api-keys", json=body, headers=headers)
        keys[tenant] = {"Authorization": f"Bearer {made.json()['api_key']}"}

    async def read(tenant: str, path: str) -> httpx.Response:
        return await client.get(path, headers=keys[tenant])

    assert 200 == (await read("globex", "/v1/tenants/globex/bill")).status_code
    assert 403 == (await read("acme", "/v1/tenants/globex/bill")).status_code
    assert 403 == (await read("acme", "/v1/statements?tenant=globex")).status_code
    assert [] == (await read("acme", "/v1/statements")).json()["statements"]
    assert 1 == len((await read("globex", "/v1/statements")).json()["statements"])
    assert 404 == (await read("acme", "/v1/subscriptions/main")).status_code
    assert 403 == (await read("globex", "/v1/price-books")).status_code


async def test_keys_without_the_scope_write_nothing(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Reading scopes do not write the catalog; no key at all is 401."""
    body = {"name": "reader", "scopes": ["billing:read"]}
    made = await client.post("/v1/api-keys", json=body, headers=headers)
    reader = {"Authorization": f"Bearer {made.json()['api_key']}"}

    refused = await client.put(BOOK, json={"name": "x"}, headers=reader)
    unknown = await client.put(BOOK, json={"name": "x"})

    assert (403, 401) == (refused.status_code, unknown.status_code)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[1]",
        b'"\\ud800"',
        b'{"\\ud800": 1}',
        b'{"currency": "\\u0000"}',
        b'{"currency": ' + b"9" * 5000 + b"}",
        b"[" * 20000,
        b"\xff\xfe",
        b'{"charges": [{"model": "flat", "key": "a", "name": "\\u0000", "amount": "1"}]}',
        b'{"charges": [{"model": "graduated", "tiers": [{"up_to": 1e999}]}]}',
    ],
)
@pytest.mark.parametrize("path", [FIRST_VERSION, BOOK, "/v1/subscriptions/main"])
async def test_no_input_is_answered_with_500(
    client: httpx.AsyncClient, headers: Headers, path: str, body: bytes
) -> None:
    """Whatever a body holds, the refusal is a 400 with a code."""
    sent = {**headers, "content-type": "application/json"}

    answer = await client.put(path, content=body, headers=sent)

    assert (400, True) == (answer.status_code, bool(answer.json()["code"]))


async def test_the_contract_is_published(client: httpx.AsyncClient) -> None:
    """OpenAPI describes every route, and price books with an example that is valid."""
    document = (await client.get("/openapi.json")).json()
    route = document["paths"]["/v1/price-books/{book}/versions/{version}"]["put"]
    schema = route["requestBody"]["content"]["application/json"]["schema"]

    assert "#/components/schemas/PriceBookContent" == schema["$ref"]
    assert 200 == (await client.get("/docs")).status_code
