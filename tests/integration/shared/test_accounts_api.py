"""The accounts API under hostile input: refused with a code and a place, never a 500."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from services.pricing.handlers.idempotency import once
from shared.accounts.access import Access
from shared.accounts.api import accounts_router
from shared.accounts.bootstrap import bootstrap_vendor
from shared.accounts.repository import Account
from shared.api import create_api
from shared.clock import FrozenClock
from shared.database import Database
from tests.support.database import TestDatabase

PEPPER = b"pepper-of-thirty-two-bytes-or-so"
CLOCK = FrozenClock(datetime(2026, 1, 1, tzinfo=UTC))
KEY = {"name": "ingest", "scopes": ["events:write"]}


@asynccontextmanager
async def _no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture(name="opened")
async def _opened(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["accounts"])
    yield opened
    async with opened.transaction() as connection:
        await connection.execute(text("truncate accounts.vendor cascade"))
    await opened.close()


@pytest.fixture(name="client")
async def _client(opened: Database) -> AsyncIterator[httpx.AsyncClient]:
    account = Account("acme-vendor", "test")
    key = await bootstrap_vendor(opened, account, name="Acme", pepper=PEPPER, clock=CLOCK)
    access = Access(opened, PEPPER, CLOCK)
    app = create_api("Accounts", "", lifespan=_no_lifespan, access=access)
    app.include_router(accounts_router(opened, PEPPER, CLOCK, once))
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="http://accounts",
        headers={"authorization": f"Bearer {key}"},
    ) as client:
        yield client


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": "a\u0000b"}, "body.name"),
        ({"legal_name": "a\nb"}, "body.legal_name"),
        ({"billing_email": "a\u0000b"}, "body.billing_email"),
        ({"purchase_order": "a\u0000b"}, "body.purchase_order"),
        ({"address": {"line1": "a\u0000b"}}, "body.address.line1"),
        ({"address": {"postal_code": "1" * 33}}, "body.address.postal_code"),
        ({"more": 1}, "body.more"),
    ],
)
async def test_a_tenant_that_cannot_be_stored_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], place: str
) -> None:
    """What Postgres refuses, such as NUL, is the caller's fault and named."""
    answer = await client.put("/v1/tenants/acme", json={"name": "Acme"} | changes)

    assert (400, [place]) == (answer.status_code, [f["path"] for f in answer.json()["faults"]])


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"name": "a\u0000b"}, "body.name"),
        ({"tenant_id": "a\u0000b"}, "body.tenant_id"),
        ({"expires_at": "2026-02-01T00:00:00"}, "body.expires_at"),
        ({"expires_at": "9999-12-31T23:59:59-23:59"}, "body.expires_at"),
        ({"expires_at": "0001-01-01T00:00:00+23:59"}, "body.expires_at"),
        ({"scopes": []}, "body.scopes"),
    ],
)
async def test_a_key_that_cannot_be_made_is_refused(
    client: httpx.AsyncClient, changes: dict[str, Any], place: str
) -> None:
    """An expiry has an offset and is an instant of UTC; names and ids are text that is stored."""
    answer = await client.post("/v1/api-keys", json=KEY | changes)

    assert (400, [place]) == (answer.status_code, [f["path"] for f in answer.json()["faults"]])


async def test_a_key_with_an_expiry_is_made_and_revoked(client: httpx.AsyncClient) -> None:
    """An expiry with any offset is kept as its instant."""
    made = await client.post("/v1/api-keys", json=KEY | {"expires_at": "2026-02-01T01:00:00+01:00"})
    revoked = await client.delete(f"/v1/api-keys/{made.json()['key_id']}")

    assert (201, "2026-02-01T00:00:00Z") == (made.status_code, made.json()["expires_at"])
    assert 204 == revoked.status_code


@pytest.mark.parametrize(
    ("key_id", "status", "code"),
    [("%00", 400, "invalid_request"), ("0123456789abcdef", 404, "unknown_api_key")],
)
async def test_an_odd_key_id_is_refused(
    client: httpx.AsyncClient, key_id: str, status: int, code: str
) -> None:
    """An id that no key can have is 400, one that none has is 404."""
    answer = await client.delete(f"/v1/api-keys/{key_id}")

    assert (status, code) == (answer.status_code, answer.json()["code"])


async def test_an_error_of_the_database_holds_no_values(opened: Database) -> None:
    """Errors are logged whole: what was written, such as an address, must not be in them."""
    with pytest.raises(DBAPIError) as failure:
        async with opened.transaction() as connection:
            await connection.execute(
                text("select cast(:canary as text), 1 / 0"), {"canary": "me@x"}
            )

    assert "me@x" not in str(failure.value)
