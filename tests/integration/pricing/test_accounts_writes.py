"""Writes of the accounts API that come twice: done once, and a key's text is nowhere kept."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from shared.accounts import repository
from shared.database import Database
from tests.support.pricing_service import NOW

from .billing_api import Headers
from .subscription_api import account_of

INGEST = {"name": "ingest", "scopes": ["events:write", "usage:read", "billing:read"]}


async def listed(client: httpx.AsyncClient, headers: Headers, name: str) -> list[dict[str, Any]]:
    """Return the vendor's API keys of a name."""
    keys = (await client.get("/v1/api-keys", headers=headers)).json()["api_keys"]
    return [key for key in keys if key["name"] == name]


async def kept(store: Database, vendor: str) -> str:
    """Return everything that is stored of the vendor's keyed writes."""
    query = "select string_agg(k::text, ' ') from pricing.idempotency_key k where vendor_id = :v"
    async with store.transaction() as connection:
        return str(await connection.scalar(text(query), {"v": vendor}))


async def test_an_attempt_that_comes_late_does_not_undo_a_later_write(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """A repeated write is the first answer again, and what was written since then stays."""
    path, named = "/v1/tenants/globex", headers | {"Idempotency-Key": "first"}
    first = await client.put(path, json={"name": "Old"}, headers=named)
    await client.put(path, json={"name": "New"}, headers=headers)

    late = await client.put(path, json={"name": "Old"}, headers=named)
    tenants = (await client.get("/v1/tenants", headers=headers)).json()["tenants"]

    assert (200, first.text) == (late.status_code, late.text)
    assert ["New"] == [tenant["name"] for tenant in tenants]


async def test_a_repeated_creation_makes_one_key_and_shows_it_once(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """The second answer names the same key without its text, the other fields agree."""
    named = headers | {"Idempotency-Key": "k"}
    first = await client.post("/v1/api-keys", json=INGEST, headers=named)
    again = await client.post("/v1/api-keys", json=INGEST, headers=named)

    assert [201, 201] == [first.status_code, again.status_code]
    assert first.json()["api_key"].startswith("tr_test_")
    assert first.json() | {"api_key": None} == again.json()
    assert 1 == len(await listed(client, headers, "ingest"))


async def test_the_text_of_a_key_is_not_kept(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """What is stored for the second answer holds the key's id and nothing that opens."""
    named = headers | {"Idempotency-Key": "k"}
    made = (await client.post("/v1/api-keys", json=INGEST, headers=named)).json()

    stored = await kept(store, vendor)

    assert made["key_id"] in stored
    assert made["api_key"].rpartition("_")[2] not in stored


async def test_keys_asked_for_at_once_are_one(client: httpx.AsyncClient, headers: Headers) -> None:
    """Of attempts at the same time one shows the key; without the header they would be refused."""
    named = headers | {"Idempotency-Key": "k"}
    attempts = [client.post("/v1/api-keys", json=INGEST, headers=named) for _ in range(5)]

    answers = [answer.json() for answer in await asyncio.gather(*attempts)]

    assert 1 == len({answer["key_id"] for answer in answers})
    assert 1 == len([answer for answer in answers if answer["api_key"]])


@pytest.mark.parametrize(
    "other",
    [
        ("POST", "/v1/api-keys", INGEST | {"scopes": ["events:write"]}),
        ("POST", "/v1/api-keys", INGEST | {"tenant_id": "globex"}),
        ("PUT", "/v1/tenants/globex", {"name": "Globex"}),
    ],
)
async def test_a_key_of_a_write_is_for_that_write(
    client: httpx.AsyncClient, headers: Headers, other: tuple[str, str, Any]
) -> None:
    """Another body or another operation under the same key is a 409 and writes nothing."""
    named = headers | {"Idempotency-Key": "k"}
    await client.post("/v1/api-keys", json=INGEST, headers=named)
    method, path, body = other

    answer = await client.request(method, path, json=body, headers=named)

    assert (409, "idempotency_key_reused") == (answer.status_code, answer.json()["code"])
    assert 1 == len(await listed(client, headers, "ingest"))


async def test_a_key_of_a_write_is_no_way_to_more_scopes(
    client: httpx.AsyncClient, headers: Headers
) -> None:
    """Who repeats another's creation of a key is asked for the scopes again."""
    body = {"name": "accounts", "scopes": ["accounts:write"]}
    narrow = (await client.post("/v1/api-keys", json=body, headers=headers)).json()["api_key"]
    named = {"Idempotency-Key": "k"}
    await client.post("/v1/api-keys", json=INGEST, headers=headers | named)

    answer = await client.post(
        "/v1/api-keys", json=INGEST, headers={"Authorization": f"Bearer {narrow}"} | named
    )

    assert (403, "scope_beyond_own") == (answer.status_code, answer.json()["code"])


async def test_a_revocation_may_be_repeated(client: httpx.AsyncClient, headers: Headers) -> None:
    """The same answer again; under the key another revocation is refused."""
    named = headers | {"Idempotency-Key": "k"}
    made = [
        (await client.post("/v1/api-keys", json=INGEST | {"name": name}, headers=headers)).json()
        for name in ("one", "two")
    ]
    one, two = (f"/v1/api-keys/{key['key_id']}" for key in made)

    answers = [await client.delete(path, headers=named) for path in (one, one, two)]

    assert [204, 204, 409] == [answer.status_code for answer in answers]
    assert (await listed(client, headers, "one"))[0]["revoked_at"] is not None
    assert (await listed(client, headers, "two"))[0]["revoked_at"] is None


async def test_a_key_was_revoked_when_it_was_revoked_first(
    client: httpx.AsyncClient, headers: Headers, store: Database, vendor: str
) -> None:
    """A second revocation does not move the time of the first, since which the key is dead."""
    made = (await client.post("/v1/api-keys", json=INGEST, headers=headers)).json()
    await client.delete(f"/v1/api-keys/{made['key_id']}", headers=headers)
    async with store.transaction() as connection:
        await repository.revoke_api_key(
            connection, account_of(vendor), made["key_id"], now=NOW + timedelta(days=1)
        )

    revoked = (await listed(client, headers, "ingest"))[0]["revoked_at"]

    assert NOW.isoformat().replace("+00:00", "Z") == revoked
