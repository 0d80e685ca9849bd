"""The HTTP API of pricing on a real database."""

import asyncio
from collections.abc import AsyncIterator
from copy import deepcopy
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from examples.demo.catalog import price_book
from services.pricing.app import create_app
from services.pricing.handlers.closing import close_periods
from services.pricing.handlers.usage import store_usage
from services.pricing.repository import sealing
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.settings import PricingSettings
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.usage_aggregated import DaySealed
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
from tests.support.stack import StackAddress

Headers = dict[str, str]
BOOK = "/v1/price-books/demo"
FIRST_VERSION = f"{BOOK}/versions/1"
TERMS = {
    "tenant_id": "globex",
    "price_book": "demo",
    "plan": "support",
    "starts_on": "2023-11-01",
}


@pytest.fixture(scope="module", name="settings")
def _settings(stack: StackAddress, database: TestDatabase) -> PricingSettings:
    return pricing_settings(stack, database, group=f"pricing-{uuid4().hex}")


@pytest.fixture(scope="module", name="client")
async def _client(settings: PricingSettings) -> AsyncIterator[httpx.AsyncClient]:
    """Yield a client of the API alone: without its lifespan nothing consumes."""
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
async def _headers(database: TestDatabase, client: httpx.AsyncClient, vendor: str) -> Headers:
    headers = await vendor_key(database, vendor)
    await client.put("/v1/tenants/globex", json={"name": "Globex"}, headers=headers)
    await client.put(BOOK, json={"name": "Demo"}, headers=headers)
    return headers


async def execute(store: Database, statement: str, named: dict[str, str]) -> int:
    """Run one statement as the owner of the schema; return how many rows it changed."""
    async with store.transaction() as connection:
        return (await connection.execute(text(statement), named)).rowcount


async def publish(client: httpx.AsyncClient, headers: Headers, **values: Any) -> httpx.Response:
    body = {"effective_on": "2023-11-01", **values}
    return await client.post(f"{FIRST_VERSION}/publish", json=body, headers=headers)


async def publish_demo(client: httpx.AsyncClient, headers: Headers) -> dict[str, Any]:
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    published: dict[str, Any] = (await publish(client, headers)).json()
    return published


async def seal_november(store: Database, vendor: str) -> None:
    """Seal the month for globex' partition, and close what is due."""
    account = Account(vendor, "test")
    partition = tenant_partition(account, "globex")
    sealed = DaySealed(
        vendor_id=vendor,
        mode="test",
        day=date(2023, 11, 30),
        first_day=date(2023, 11, 30),
        version=1,
        part=1,
        parts=1,
        recount="off",
        offsets={},
        tenants=[],
    )
    async with store.transaction() as connection:
        await lock_closing(connection, account, [partition])
        await sealing.store_sealed_day(connection, sealed, partition)
        await sealing.advance_sealed_through(
            connection, account, partition=partition, first_day=sealed.day, accepted={"off"}
        )
        await close_periods(connection, account, partition)


async def test_all_faults_of_a_book_are_told_at_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A faulty book is refused with every fault, each with its code and place."""
    book = deepcopy(price_book())
    book["currency"] = "ZZZ"
    book["charges"][4]["amount"] = "-1"
    book["charges"][5]["tiers"][1]["up_to"] = "10000000"
    book["plans"][0]["charges"].append("nothing")

    answer = await client.put(FIRST_VERSION, json=book, headers=headers)

    assert (400, "invalid_price_book") == (answer.status_code, answer.json()["code"])
    assert {
        ("unknown_currency", "currency"),
        ("negative_price", "charges[4].amount"),
        ("tier_bounds_equal", "charges[5].tiers[1].up_to"),
        ("unknown_charge", "plans[0].charges[4]"),
    } == {(fault["code"], fault["path"]) for fault in answer.json()["faults"]}


async def test_a_draft_is_written_again_and_read_back(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A draft is replaced by the next write of its number; equal content has an equal hash."""
    first = await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    again = await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    read = await client.get(FIRST_VERSION, headers=headers)

    assert "draft" == first.json()["state"]
    assert first.json() == again.json() == read.json()


async def test_the_next_number_only(client: httpx.AsyncClient, headers: Headers) -> None:
    """A version whose number is not the next one is a conflict."""
    answer = await client.put(f"{BOOK}/versions/2", json=price_book(), headers=headers)

    assert (409, "version_out_of_order") == (answer.status_code, answer.json()["code"])


async def test_a_published_version_never_changes(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """The same write and publication again is the same answer, another one a conflict."""
    published = await publish_demo(client, headers)
    other = deepcopy(price_book())
    other["charges"][4]["amount"] = "501.00"

    same = await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    changed = await client.put(FIRST_VERSION, json=other, headers=headers)
    republished = await publish(client, headers)
    moved = await publish(client, headers, effective_on="2023-12-01")

    assert published == same.json() == republished.json()
    assert (409, "version_published") == (changed.status_code, changed.json()["code"])
    assert (409, "version_published") == (moved.status_code, moved.json()["code"])


@pytest.mark.parametrize(
    "statement",
    [
        "update pricing.price_version set content = '{}' where vendor_id = :vendor",
        "update pricing.price_version set effective_on = null where vendor_id = :vendor",
        "delete from pricing.price_version where vendor_id = :vendor",
        "truncate pricing.price_version",
        "update pricing.statement set total_exact = '0' where vendor_id = :vendor",
        "delete from pricing.statement where vendor_id = :vendor",
        "truncate pricing.statement",
    ],
)
async def test_the_database_refuses_to_change_what_was_published_or_stated(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database, statement: str
) -> None:
    """Not even the owner of the schema changes a published version or a statement."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)

    named = {"vendor": vendor} if ":vendor" in statement else {}
    with pytest.raises(DBAPIError, match="immutable"):
        await execute(store, statement, named)


async def test_a_draft_may_be_changed_by_hand(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """The guard is for what is published: the same statement changes a draft."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)

    statement = "update pricing.price_version set content_hash = '' where vendor_id = :vendor"
    changed = await execute(store, statement, {"vendor": vendor})

    assert 1 == changed


async def test_a_version_is_not_effective_in_a_billed_period(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """A new version reaches only periods that are not billed yet."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)
    second = f"{BOOK}/versions/2"
    await client.put(second, json=price_book(), headers=headers)

    inside = await client.post(
        f"{second}/publish", json={"effective_on": "2023-11-30"}, headers=headers
    )
    after = await client.post(
        f"{second}/publish", json={"effective_on": "2023-12-01"}, headers=headers
    )

    assert (409, "effective_in_billed_period") == (inside.status_code, inside.json()["code"])
    assert (200, "published") == (after.status_code, after.json()["state"])


async def test_a_period_that_waits_for_a_price_is_closed_by_publishing(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Sealed days without a price are shown, and billed as soon as there is one."""
    await client.put(FIRST_VERSION, json=price_book(), headers=headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    await seal_november(store, vendor)
    waiting = await client.get("/v1/attention", headers=headers)
    await publish(client, headers)

    found = await client.get("/v1/statements", headers=headers)

    assert ["no_price_version"] == [item["code"] for item in waiting.json()["items"]]
    assert ["500"] == [row["total_exact"] for row in found.json()["statements"]]


async def test_a_plan_that_the_version_in_force_lacks_is_told(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A period that is not billed because its version has no such plan waits for a person."""
    await publish_demo(client, headers)
    content = price_book()
    content["plans"].append({**content["plans"][0], "key": "new"})
    await client.put(f"{BOOK}/versions/2", json=content, headers=headers)
    await client.put("/v1/subscriptions/main", json={**TERMS, "plan": "new"}, headers=headers)

    waiting = await client.get("/v1/attention", headers=headers)

    assert [("plan_not_in_version", "main")] == [
        (item["code"], item["subject"]) for item in waiting.json()["items"]
    ]


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
    assert 1 == len((await client.get("/v1/subscriptions", headers=headers)).json())


@pytest.mark.parametrize(
    ("path", "change", "refusal"),
    [
        ("main", {"seats": 3}, "409 subscription_exists"),
        ("other", {}, "409 subscription_overlaps"),
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
    lists = ["/v1/price-books", "/v1/subscriptions"]
    found = [(await client.get(path, headers=foreign)).json() for path in lists]
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
