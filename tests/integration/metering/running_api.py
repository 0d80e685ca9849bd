"""A running API over HTTP, with a worker that tests start and stop."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any
from uuid import uuid4

import httpx
import pytest
import uuid_utils
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import text

from services.metering.app import create_app
from services.metering.archive.lookup import EventLookup
from services.metering.archive.storage import ArchiveStorage
from services.metering.ingest.log import KafkaLogEnds
from services.metering.settings import MeteringSettings
from services.metering.worker.loop import Worker
from shared.accounts import repository as accounts
from shared.accounts.keys import Scope, format_key, mint_key
from shared.accounts.repository import Account
from shared.accounts.schemas import ApiKeyWrite
from shared.clock import SystemClock
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.stack import StackAddress

SECRET = "a-secret-of-more-than-thirty-two-characters"
WAIT_SECONDS = 20.0
VENDOR = f"vendor-{uuid4().hex[:8]}"


@dataclass
class Deployment:
    """A running API, and a worker that can be started and stopped."""

    app: FastAPI
    settings: MeteringSettings
    database: Database
    make_key: Callable[..., Awaitable[str]]

    def client(self, key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app, raise_app_exceptions=False),
            base_url="http://metering",
            headers={"authorization": f"Bearer {key}"},
        )

    @asynccontextmanager
    async def worker(self) -> AsyncIterator[None]:
        storage = ArchiveStorage.open(self.settings.archive_url)
        originals = EventLookup(self.settings.kafka_bootstrap, self.database, storage)
        worker = Worker(self.settings, self.database, SystemClock(), originals=originals)
        running = asyncio.create_task(worker.run())
        yield
        worker.stop()
        await running


@pytest.fixture(scope="module", name="deployment")
async def _deployment(
    stack: StackAddress, database: TestDatabase, metering: Database
) -> AsyncIterator[Deployment]:
    settings = MeteringSettings(
        kafka_bootstrap=stack.kafka_bootstrap,
        secret_key=SecretStr(SECRET),
        metering_database_url=SecretStr(database.urls["metering"]),
    )
    await _skip_what_others_wrote(metering, stack)
    opened = Database(database.urls["accounts"])

    async def make_key(*scopes: Scope, tenant: str | None = None) -> str:
        key, account = mint_key("live"), Account(VENDOR, "live")
        written = ApiKeyWrite(name=uuid4().hex, scopes=set(scopes or Scope), tenant_id=tenant)
        async with opened.transaction() as connection:
            await accounts.create_api_key(
                connection, account, key, written=written, pepper=SECRET.encode()
            )
        return format_key(key)

    app = create_app(settings)
    async with app.router.lifespan_context(app):
        yield Deployment(app, settings, metering, make_key)
    await opened.close()


async def _skip_what_others_wrote(metering: Database, stack: StackAddress) -> None:
    ends = KafkaLogEnds(stack.kafka_bootstrap)
    await ends.start()
    offsets = await ends.end_offsets()
    await ends.stop()
    async with metering.transaction() as connection:
        for partition, offset in offsets.items():
            await connection.execute(
                text("update metering.consumer_offset set next_offset = :o where partition = :p"),
                {"o": offset, "p": partition},
            )


@pytest.fixture(name="client")
async def _client(deployment: Deployment, writer: Any) -> AsyncIterator[httpx.AsyncClient]:
    await writer(VENDOR, live_from=date(2023, 1, 1), tenants=["acme", "globex"])
    async with deployment.client(await deployment.make_key()) as client:
        yield client


def api_event(**changes: Any) -> dict[str, Any]:
    """Return an event as a client writes it, of tenant acme in November 2023."""
    event = {
        "event_id": str(uuid_utils.uuid7()),
        "tenant": "acme",
        "agent": f"agent-{uuid4().hex[:6]}",
        "model": "gpt-5",
        "provider": "openai",
        "occurred_at": "2023-11-16T18:17:03.9799604Z",
        "tokens": {"input_uncached": 5, "output_text": 2},
        "user": "dev-1",
    }
    return event | changes


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    """Return the condition's first true answer."""
    async with asyncio.timeout(WAIT_SECONDS):
        while not (answer := await condition()):  # noqa: ASYNC110 - it shows over HTTP only
            await asyncio.sleep(0.05)
        return answer


async def state_of(client: httpx.AsyncClient, event: dict[str, Any]) -> Any:
    """Return what `GET /v1/events/{id}` says."""
    answer = await client.get(f"/v1/events/{event['event_id']}", params={"tenant": "acme"})
    return answer.json()
