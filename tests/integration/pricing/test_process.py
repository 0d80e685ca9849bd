"""The process `python -m services.pricing`."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from deploy.local.ports import free_ports
from tests.support.database import TestDatabase
from tests.support.pricing_service import PATIENCE_SECONDS, SECRET, eventually
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
