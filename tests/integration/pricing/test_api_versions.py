"""The life of a version over the API: drafts with tags, keys of writes, retirement, pages."""

import asyncio
from copy import deepcopy
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from examples.demo.catalog import price_book
from services.pricing.housekeeping import KEYS_KEPT, Housekeeper
from shared.clock import FrozenClock
from shared.database import Database

from .billing_api import (
    BOOK,
    FIRST_VERSION,
    TERMS,
    Headers,
    execute,
    publish,
    publish_demo,
    seal_november,
)

SECOND = f"{BOOK}/versions/2"


def dearer(amount: str = "501.00") -> dict[str, Any]:
    book = deepcopy(price_book())
    book["charges"][4]["amount"] = amount
    return book


async def write(
    client: httpx.AsyncClient, headers: Headers, content: Any, **more: str
) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in more.items()}
    return await client.put(FIRST_VERSION, json=content, headers=headers | named)


async def test_a_draft_that_changed_meanwhile_is_not_overwritten(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Of two writers who read the same draft the second is told (412) and overwrites nothing."""
    tag = (await write(client, headers, price_book())).headers["etag"]

    first = await write(client, headers, dearer(), If_Match=tag)
    second = await write(client, headers, dearer("502.00"), If_Match=tag)
    read = await client.get(FIRST_VERSION, headers=headers)

    assert (200, 412) == (first.status_code, second.status_code)
    assert "stale_version" == second.json()["code"]
    assert first.headers["etag"] == read.headers["etag"] != tag
    assert "501" == read.json()["content"]["charges"][4]["amount"]


async def test_without_a_tag_the_last_writer_wins(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """It is If-Match that keeps writers apart: without it the draft is replaced."""
    await write(client, headers, price_book())
    await write(client, headers, dearer())

    last = await write(client, headers, dearer("502.00"))

    assert 200 == last.status_code


@pytest.mark.parametrize("tag", ["*", '"draft-other"'])
async def test_a_draft_that_is_not_there_matches_no_tag(
    client: httpx.AsyncClient, headers: Headers, tag: str
) -> None:
    """A write that wants to change something does not create it."""
    answer = await write(client, headers, price_book(), If_Match=tag)

    assert (412, "stale_version") == (answer.status_code, answer.json()["code"])


async def test_a_write_that_is_there_already_is_answered_whatever_it_has_seen(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A lost answer can be asked for again with the old tag."""
    tag = (await write(client, headers, price_book())).headers["etag"]

    twice = [await write(client, headers, dearer(), If_Match=tag) for _ in range(2)]

    assert [200, 200] == [answer.status_code for answer in twice]


async def test_what_is_published_is_what_was_seen(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A publication that names a tag publishes that draft or nothing."""
    tag = (await write(client, headers, price_book())).headers["etag"]
    changed = await write(client, headers, dearer())

    stale = await publish(client, headers | {"If-Match": tag})
    seen = await publish(client, headers | {"If-Match": changed.headers["etag"]})
    again = await publish(client, headers | {"If-Match": changed.headers["etag"]})

    assert [412, 200, 200] == [answer.status_code for answer in (stale, seen, again)]


@pytest.mark.parametrize("header", ["If-Match", "Idempotency-Key"])
async def test_a_header_of_another_form_is_refused(
    client: httpx.AsyncClient, headers: Headers, header: str
) -> None:
    """A header that cannot be read is a 400 that names it."""
    answer = await client.put(FIRST_VERSION, json=price_book(), headers=headers | {header: "a tag"})

    assert (400, [f"header.{header}"]) == (
        answer.status_code,
        [fault["path"] for fault in answer.json()["faults"]],
    )


def effective(day: str) -> dict[str, str]:
    return {"effective_on": day}


async def every_write(
    client: httpx.AsyncClient, headers: Headers
) -> list[tuple[str, str, Any, Any]]:
    """Return (method, path, body, another body) of each write that a key may go with."""
    await publish_demo(client, headers)
    wallet = "/v1/tenants/globex/wallets/USD"
    return [
        ("PUT", "/v1/tenants/globex", {"name": "Globex"}, {"name": "Other"}),
        ("PUT", BOOK, {"name": "Demo"}, {"name": "Other"}),
        ("PUT", SECOND, price_book(), dearer()),
        ("POST", f"{SECOND}/publish", effective("2024-01-01"), effective("2024-02-01")),
        ("PUT", "/v1/subscriptions/main", TERMS, TERMS | {"seats": 2}),
        ("PUT", wallet, {"on_empty": "overage"}, {"on_empty": "hard_stop"}),
    ]


async def test_every_write_takes_a_key(client: httpx.AsyncClient, headers: Headers) -> None:
    """The same key and body is the first answer again, to the byte; another body is a 409."""
    told = []
    for number, (method, path, body, other) in enumerate(await every_write(client, headers)):
        named = headers | {"Idempotency-Key": f"key-{number}"}
        first = await client.request(method, path, json=body, headers=named)
        again = await client.request(method, path, json=body, headers=named)
        reused = await client.request(method, path, json=other, headers=named)
        told.append((path, first.status_code, first.text == again.text, reused.json()["code"]))

    assert [(path, 200, True, "idempotency_key_reused") for path, *_ in told] == told


async def test_a_key_is_for_one_operation(client: httpx.AsyncClient, headers: Headers) -> None:
    """A key that was used for one book does not answer for another, though the bodies agree."""
    named = headers | {"Idempotency-Key": "k"}
    await client.put("/v1/price-books/one", json={"name": "B"}, headers=named)

    other = await client.put("/v1/price-books/two", json={"name": "B"}, headers=named)

    assert (409, "idempotency_key_reused") == (other.status_code, other.json()["code"])


async def test_a_refused_write_leaves_its_key_free(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A key is stored with what it wrote: after a refusal the corrected body may come under it."""
    named = headers | {"Idempotency-Key": "k"}
    refused = await client.put(f"{BOOK}/versions/7", json=price_book(), headers=named)

    written = await client.put(FIRST_VERSION, json=price_book(), headers=named)

    assert (409, 200) == (refused.status_code, written.status_code)


async def test_a_key_sent_many_times_at_once_writes_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Attempts under one key wait for each other and have one answer."""
    named = headers | {"Idempotency-Key": "k"}
    writes = [client.put(FIRST_VERSION, json=price_book(), headers=named) for _ in range(5)]

    answers = await asyncio.gather(*writes)

    assert 1 == len({answer.text for answer in answers})


async def test_keys_go_after_their_time(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A key is forgotten 30 days after its write, and not by anybody a moment sooner."""
    named = headers | {"Idempotency-Key": "young"}
    await client.put(BOOK, json={"name": "Demo"}, headers=named)
    await execute(
        store,
        "insert into pricing.idempotency_key values (:vendor, 'test', 'old', '', 'null',"
        " now() - interval '31 days')",
        {"vendor": vendor},
    )
    own = "from pricing.idempotency_key where vendor_id = :vendor and key = "
    with pytest.raises(DBAPIError, match="immutable"):
        await execute(store, f"delete {own} 'young'", {"vendor": vendor})

    # The clock of the database, which wrote when the keys were made.
    async with store.transaction() as connection:
        now = await connection.scalar(text("select now()"))
    deleted = await Housekeeper(store, FrozenClock(now), KEYS_KEPT).delete_old_keys()
    again = await Housekeeper(store, FrozenClock(now), KEYS_KEPT).delete_old_keys()

    assert (1, 0) == (deleted, again)
    assert timedelta(days=30) == KEYS_KEPT
    assert 1 == await execute(store, f"select 1 {own} 'young'", {"vendor": vendor})


async def test_a_version_that_is_replaced_can_be_retired(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database
) -> None:
    """Nothing new starts on a retired version; what was billed with it is still there."""
    await publish_demo(client, headers)
    await client.put("/v1/subscriptions/main", json=TERMS, headers=headers)
    in_use = await client.post(f"{FIRST_VERSION}/retire", headers=headers)
    await seal_november(store, vendor)
    await client.put(SECOND, json=dearer(), headers=headers)
    await client.post(f"{SECOND}/publish", json={"effective_on": "2023-12-01"}, headers=headers)

    retired = await client.post(f"{FIRST_VERSION}/retire", headers=headers)
    again = await client.post(f"{FIRST_VERSION}/retire", headers=headers)
    await client.put("/v1/tenants/acme", json={"name": "Acme"}, headers=headers)
    terms = TERMS | {"tenant_id": "acme"}
    new = await client.put("/v1/subscriptions/new", json=terms, headers=headers)
    later = terms | {"starts_on": "2023-12-01"}
    on_next = await client.put("/v1/subscriptions/new", json=later, headers=headers)

    assert (409, "version_in_use") == (in_use.status_code, in_use.json()["code"])
    assert (200, "retired") == (retired.status_code, retired.json()["state"])
    assert retired.text == again.text
    assert (409, "version_retired") == (new.status_code, new.json()["code"])
    assert 200 == on_next.status_code


async def test_a_draft_is_not_retired(client: httpx.AsyncClient, headers: Headers) -> None:
    """Only what was published can be retired."""
    await write(client, headers, price_book())

    answer = await client.post(f"{FIRST_VERSION}/retire", headers=headers)

    assert (409, "version_not_published") == (answer.status_code, answer.json()["code"])


@pytest.mark.parametrize(
    "change",
    [
        "retired_at = null",
        "retired_at = now() + interval '1 day'",
        "retired_at = now(), content = '{}'",
    ],
)
async def test_the_database_lets_a_version_retire_once_and_nothing_else(
    client: httpx.AsyncClient, headers: Headers, vendor: str, store: Database, change: str
) -> None:
    """A retired version cannot come back, nor change on the way."""
    await publish_demo(client, headers)
    if "content" not in change:
        await client.post(f"{FIRST_VERSION}/retire", headers=headers)

    with pytest.raises(DBAPIError, match="immutable"):
        await execute(
            store,
            f"update pricing.price_version set {change} where vendor_id = :vendor",  # noqa: S608
            {"vendor": vendor},
        )


async def pages(client: httpx.AsyncClient, headers: Headers, path: str, name: str) -> list[Any]:
    """Return what following the cursor reads, two rows at a time."""
    found: list[Any] = []
    after: Any = None
    for _ in range(10):
        params = {"limit": 2} | ({} if after is None else {"after": after})
        page = (await client.get(path, params=params, headers=headers)).json()
        found += page[name]
        after = page["next_after"]
        if after is None:
            return found
    raise AssertionError("the cursor goes in circles")


async def test_every_list_has_pages(client: httpx.AsyncClient, headers: Headers) -> None:
    """Following the cursor reads each row of each list once, in order."""
    await publish_demo(client, headers)
    for number in range(5):
        await client.put(f"/v1/price-books/b{number}", json={"name": "B"}, headers=headers)
        await client.put(f"/v1/tenants/t{number}", json={"name": "T"}, headers=headers)
        terms = TERMS | {"tenant_id": f"t{number}"}
        await client.put(f"/v1/subscriptions/s{number}", json=terms, headers=headers)
        body = {"name": f"key {number}", "scopes": ["billing:read"]}
        await client.post("/v1/api-keys", json=body, headers=headers)
    await client.put(SECOND, json=dearer(), headers=headers)

    books = await pages(client, headers, "/v1/price-books", "price_books")
    tenants = await pages(client, headers, "/v1/tenants", "tenants")
    subscriptions = await pages(client, headers, "/v1/subscriptions", "subscriptions")
    keys = await pages(client, headers, "/v1/api-keys", "api_keys")
    versions = await pages(client, headers, f"{BOOK}/versions", "versions")

    assert ["b0", "b1", "b2", "b3", "b4", "demo"] == [book["book"] for book in books]
    assert ["globex", "t0", "t1", "t2", "t3", "t4"] == [t["tenant_id"] for t in tenants]
    assert ["s0", "s1", "s2", "s3", "s4"] == [s["subscription_id"] for s in subscriptions]
    assert [f"key {n}" for n in (4, 3, 2, 1, 0)] == [key["name"] for key in keys][:5]
    assert [(1, "published"), (2, "draft")] == [(v["version"], v["state"]) for v in versions]
    assert [1, 2] == [v["version"] for v in books[-1]["versions"]]
