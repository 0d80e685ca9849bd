"""The process `python -m services.pricing`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pytest
from sqlalchemy import func, select

from deploy.local.ports import free_ports
from services.pricing.domain.envelopes.envelope import Scope
from services.pricing.envelope_tables import envelope_look
from services.pricing.repository.envelopes import definitions
from services.pricing.repository.selection import owned
from services.pricing.schemas.envelope import EnvelopeWrite, dump
from shared.accounts.repository import Account
from shared.database import Database
from tests.support.database import TestDatabase
from tests.support.pricing_service import PATIENCE_SECONDS, SECRET, eventually, fresh_vendor
from tests.support.stack import StackAddress

ROOT = Path(__file__).parents[3]


@pytest.fixture(name="environment")
def _environment(stack: StackAddress, database: TestDatabase) -> dict[str, str]:
    (port,) = free_ports(1)
    return {
        **os.environ,
        "TALLYROLL_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYROLL_SECRET_KEY": SECRET,
        "TALLYROLL_PRICING_DATABASE_URL": database.urls["pricing"],
        "TALLYROLL_PRICING_PORT": str(port),
        "TALLYROLL_PRICING_CONSUMER_GROUP": f"pricing-{uuid4().hex}",
    }


@asynccontextmanager
async def started(environment: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    """Start the process and wait until it is ready; kill it at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.pricing"),
        cwd=ROOT,
        env=environment,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{environment['TALLYROLL_PRICING_PORT']}/health/ready"
        async with httpx.AsyncClient() as client:
            await eventually(lambda: _is_ready(client, url), bool)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _is_ready(client: httpx.AsyncClient, url: str) -> bool:
    try:
        return (await client.get(url)).is_success
    except httpx.TransportError:
        return False


async def test_it_stops_cleanly_and_starts_after_a_kill(environment: dict[str, str]) -> None:
    """SIGTERM ends it with exit code 0; after kill -9 it simply starts again."""
    async with started(environment) as killed:
        killed.send_signal(signal.SIGKILL)
        await killed.wait()
    async with started(environment) as process:
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(PATIENCE_SECONDS):
            code = await process.wait()

    assert 0 == code


async def test_the_watcher_of_envelopes_ends_with_it(
    environment: dict[str, str], database: TestDatabase
) -> None:
    """With an envelope there is a process beside it that looks; after kill -9 both are gone."""
    account = Account(fresh_vendor(), "test")
    written = EnvelopeWrite.model_validate({"scope": {"tenant": "globex"}, "amount": "1"})
    opened = Database(database.urls["pricing"], connections=1)
    try:
        async with opened.transaction() as connection:
            await definitions.put(
                connection,
                account,
                "one",
                scope=Scope(tenant="globex"),
                content=dump(written),
                now=datetime.now(UTC),
            )
        async with started(environment | {EVERY_SECOND: "1"}) as killed:
            await eventually(lambda: _looks(opened, account), bool)
            (watcher,) = psutil.Process(killed.pid).children()
            killed.send_signal(signal.SIGKILL)
            await killed.wait()
            await eventually(partial(asyncio.to_thread, _has_ended, watcher), bool)
    finally:
        async with opened.transaction() as connection:
            await definitions.end(connection, account, "one", now=datetime.now(UTC))
        await opened.close()

    assert watcher.pid != killed.pid


EVERY_SECOND = "TALLYROLL_PRICING_ENVELOPE_INTERVAL_SECONDS"


async def _looks(opened: Database, account: Account) -> int:
    query = select(func.count()).where(owned(envelope_look, account))
    async with opened.transaction() as connection:
        return (await connection.execute(query)).scalar_one()


def _has_ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True
