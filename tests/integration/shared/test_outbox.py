"""The outbox on real servers: every message leaves, also after a producer that failed for good."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from typing import Any, Self

import pytest
from aiokafka.errors import OutOfOrderSequenceNumber
from sqlalchemy import func, select

from services.metering.tables import outbox
from shared.broker import create_producer
from shared.database import Database
from shared.events.usage_rejected import UsageRejected
from shared.outbox import OutboxRelay, Outgoing, put
from tests.support.database import TestDatabase
from tests.support.stack import ROOT, StackAddress

FAILURES = 3
EXAMPLE = ROOT / "shared/events/examples/usage.rejected/v1/UsageRejected.json"


class BrokenProducer:
    """A producer that the broker refuses for good, as one with a gap in its sequence."""

    made = 0

    def __init__(self) -> None:
        BrokenProducer.made += 1

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        return None

    async def send(self, *_arguments: Any, **_options: Any) -> Any:
        raise OutOfOrderSequenceNumber


@pytest.fixture(name="metering")
async def _metering(database: TestDatabase) -> AsyncIterator[Database]:
    opened = Database(database.urls["metering"])
    message = UsageRejected.model_validate_json(EXAMPLE.read_text(encoding="utf-8"))
    async with opened.transaction() as connection:
        await put(connection, outbox, [Outgoing(message) for _ in range(3)])
    yield opened
    await opened.close()


async def _relay_until(
    metering: Database, new_producer: Callable[[], Any], done: Callable[[], bool]
) -> int:
    """Run a relay until the outbox is empty or `done()`; return how many messages are left."""
    BrokenProducer.made = 0
    running = asyncio.create_task(OutboxRelay(metering, outbox, new_producer).run())
    async with asyncio.timeout(30):
        while not done() and await _waiting(metering):  # noqa: ASYNC110 - the relay moves both
            await asyncio.sleep(0.05)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    return await _waiting(metering)


async def _waiting(metering: Database) -> int:
    async with metering.transaction() as connection:
        return int(await connection.scalar(select(func.count()).select_from(outbox)) or 0)


async def test_a_failed_producer_is_replaced(metering: Database, stack: StackAddress) -> None:
    """After a failure for good the relay goes on with a new producer, and nothing stays behind."""
    good = partial(create_producer, stack.kafka_bootstrap)

    def new_producer() -> Any:
        return good() if BrokenProducer.made else BrokenProducer()

    assert 0 == await _relay_until(metering, new_producer, lambda: False)


async def test_a_relay_that_keeps_its_producer_would_be_noticed(metering: Database) -> None:
    """The same check finds the messages of a relay that never gets a good producer."""
    left = await _relay_until(metering, BrokenProducer, lambda: BrokenProducer.made >= FAILURES)

    assert left > 0
