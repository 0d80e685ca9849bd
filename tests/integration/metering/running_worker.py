"""A worker that counts a log of the test's own, in processes that tests start and stop."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from examples.producer import __main__ as producer
from services.metering.ingest import log
from services.metering.ingest.envelope import Sender, as_columns, place
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import KafkaUsageLog
from shared.database import Database
from shared.topics import USAGE_RECORDED
from tests.support.database import TestDatabase
from tests.support.stack import ROOT, StackAddress

from .conftest import Ledger, make_event

WAIT_SECONDS = 60.0
POLL_SECONDS = 0.05
LEASE_SECONDS = 2
PARTITIONS = 4
EVENTS_PER_ROUND = 400
OWN_TOPIC = """
import dataclasses, os, sys
from shared import topics
name = os.environ["TEST_TOPIC"]
topics.USAGE_RECORDED = dataclasses.replace(topics.USAGE_RECORDED, name=name)
"""
"""Runs first, so that a process counts the test's topic and nothing of other tests."""
RUN = """
from services.metering.__main__ import main
sys.exit(main(["worker"]))
"""


@pytest.fixture(name="topic")
async def _topic(stack: StackAddress, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Create a log of the test's own, and have this process write to it."""
    topic = replace(USAGE_RECORDED, name=f"usage.recorded.{uuid4().hex[:8]}")
    monkeypatch.setattr(log, "USAGE_RECORDED", topic)
    monkeypatch.setattr(producer, "TOPIC", topic.name)
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.kafka_bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic.name, PARTITIONS, 1)])
    yield topic.name
    await admin.delete_topics([topic.name])
    await admin.close()


@pytest.fixture(name="environment")
async def _environment(
    stack: StackAddress, database: TestDatabase, metering: Database, topic: str
) -> Mapping[str, str]:
    """Return the variables of a worker that counts the test's log."""
    return {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "TEST_TOPIC": topic,
        "TALLYROLL_KAFKA_BOOTSTRAP": stack.kafka_bootstrap,
        "TALLYROLL_METERING_DATABASE_URL": database.urls["metering"],
        "TALLYROLL_SECRET_KEY": "a-secret-of-more-than-thirty-two-characters",
        "TALLYROLL_FLUSH_MILLISECONDS": "20",
        "TALLYROLL_EVENTS_PER_FLUSH": "1000",
        "TALLYROLL_WORKER_LEASE_SECONDS": str(LEASE_SECONDS),
        "TALLYROLL_WORKER_TRANSACTION_SECONDS": "4",
    }


@asynccontextmanager
async def _worker(
    environment: Mapping[str, str], script: str = RUN, *arguments: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        OWN_TOPIC + script,
        *arguments,
        env=environment,
        cwd=ROOT,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        while not await condition():  # noqa: ASYNC110 - other processes count
            await asyncio.sleep(POLL_SECONDS)


class Scene:
    """What the tests do and see: events sent, who holds what, what was counted."""

    def __init__(self, ledger: Ledger, stack: StackAddress, topic: str) -> None:
        self.ledger = ledger
        self.topic = topic
        self.sent = 0
        self._log = KafkaUsageLog(stack.kafka_bootstrap)
        self._gatherer = Gatherer(self._log)

    async def send(self, events: int = EVENTS_PER_ROUND) -> None:
        sender = Sender(self.ledger.vendor_id, "live")
        for start in range(self.sent, self.sent + events, 20):
            placed = [
                place(make_event(f"e-{i}"), sender, partitions=PARTITIONS)
                for i in range(start, start + 20)
            ]
            await self._gatherer.write(as_columns(placed))
        self.sent += events

    async def close(self) -> None:
        await self._gatherer.close()
        await self._log.stop()

    async def shares(self) -> list[int]:
        """Return how many partitions each owner of an unexpired lease holds, in order."""
        rows = await self.ledger.query(
            "select count(*) from metering.partition_lease "
            "where topic = :topic and owner <> '' and expires_at > clock_timestamp() "
            "group by owner order by 1",
            topic=self.topic,
        )
        return [row[0] for row in rows]

    async def until_shares(self, *expected: int) -> None:
        async def shared() -> bool:
            return list(expected) == await self.shares()

        await _until(shared)

    async def until_counted(self) -> None:
        async def counted() -> bool:
            rows = await self.ledger.query(
                "select coalesce(sum(counted), 0) from metering.counting_statistic "
                "where vendor_id = :vendor"
            )
            return bool(rows[0][0] >= self.sent)

        await _until(counted)

    async def verdict(self) -> dict[str, int]:
        """Return what was counted, and how many positions were seen more than once."""
        rows = await self.ledger.query(
            "select coalesce(sum(counted), 0)::int counted, "
            "coalesce(sum(duplicates), 0)::int again "
            "from metering.counting_statistic where vendor_id = :vendor"
        )
        usage = await self.ledger.usage()
        tokens = sum(v for (kind, _, _), v in usage.items() if kind == "input_uncached")
        return {"counted": rows[0].counted, "again": rows[0].again, "tokens": tokens}

    def exact(self) -> dict[str, int]:
        return {"counted": self.sent, "again": 0, "tokens": 5 * self.sent}


@pytest.fixture(name="scene")
async def _open_scene(ledger: Ledger, stack: StackAddress, topic: str) -> AsyncIterator[Scene]:
    scene = Scene(ledger, stack, topic)
    yield scene
    await scene.close()
