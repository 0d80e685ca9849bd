"""Workers share the partitions: joining, leaving, dying and waking up count nothing twice."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from examples.producer import __main__ as producer
from services.metering.ingest import log
from services.metering.ingest.envelope import Sender, as_columns, place
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import KafkaUsageLog
from services.metering.running import EXIT_REJECTING
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
FREEZING = """
import os, pathlib, signal
from services.metering.worker.flush import Flusher
marker = pathlib.Path(sys.argv[1])
def freeze(reading):
    if marker.exists() and marker.read_text() in set(reading.events["vendor_id"]):
        marker.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
"""
RUN = """
from services.metering.__main__ import main
sys.exit(main(["worker"]))
"""
BEFORE_THE_TRANSACTION = (
    FREEZING
    + """
count = Flusher.flush
async def freeze_then_flush(self, reading, moves):
    freeze(reading)
    return await count(self, reading, moves)
Flusher.flush = freeze_then_flush
"""
    + RUN
)
"""A worker that freezes at the worst moment: records gathered, nothing moved yet."""
INSIDE_THE_TRANSACTION = (
    FREEZING
    + """
count = Flusher._count
async def freeze_then_count(self, connection, reading, moves):
    freeze(reading)
    return await count(self, connection, reading, moves)
Flusher._count = freeze_then_count
"""
    + RUN
)
"""A worker that freezes with its offsets moved and locked, and nothing committed."""
WITHOUT_FENCE = """
from sqlalchemy import text
from services.metering.repository import offsets
naive = str(offsets._MOVE).replace("and o.next_offset = m.expected", "")
offsets._MOVE = text(naive).bindparams(*offsets._MOVE._bindparams.values())
"""
"""Has a worker move offsets without looking where they are."""


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


class _Scene:
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
async def _open_scene(ledger: Ledger, stack: StackAddress, topic: str) -> AsyncIterator[_Scene]:
    scene = _Scene(ledger, stack, topic)
    yield scene
    await scene.close()


async def test_workers_join_and_leave(environment: Mapping[str, str], scene: _Scene) -> None:
    """Shares follow who is there: 4, then 2 and 2, then 1, 1 and 2, then 4 again; exact sums."""
    async with AsyncExitStack() as stack:
        first = await stack.enter_async_context(_worker(environment))
        await scene.until_shares(4)
        await scene.send()
        second = await stack.enter_async_context(_worker(environment))
        await scene.until_shares(2, 2)
        await scene.send()
        third = await stack.enter_async_context(_worker(environment))
        await scene.until_shares(1, 1, 2)
        await scene.send()
        for leaving in (first, third):
            leaving.send_signal(signal.SIGTERM)
        codes = [await first.wait(), await third.wait()]
        await scene.until_shares(4)
        await scene.send()
        await scene.until_counted()
        assert second.returncode is None

    assert ([0, 0], scene.exact()) == (codes, await scene.verdict())


async def test_a_killed_workers_partitions_are_taken_over(
    environment: Mapping[str, str], scene: _Scene
) -> None:
    """Killed under load, a worker's leases run out and the other counts all, each event once."""
    async with _worker(environment) as killed, _worker(environment):
        await scene.until_shares(2, 2)
        sending = asyncio.create_task(scene.send(1_000))
        await asyncio.wait([sending], timeout=0.2)
        killed.kill()
        await sending
        await scene.until_counted()
        await scene.until_shares(4)

    assert scene.exact() == await scene.verdict()


async def _with_a_zombie(
    environment: Mapping[str, str], scene: _Scene, script: str, marker: Path
) -> dict[str, int]:
    """Freeze a worker inside a flush past its lease, have another count, and wake it up."""

    async def frozen() -> bool:
        return not await asyncio.to_thread(marker.exists)

    async with _worker(environment, script, str(marker)) as zombie:
        await scene.until_shares(4)
        await scene.send()
        await scene.until_counted()
        await asyncio.to_thread(marker.write_text, scene.ledger.vendor_id)
        await scene.send()
        await _until(frozen)
        async with _worker(environment, script, str(marker)):
            await scene.until_counted()
            zombie.send_signal(signal.SIGCONT)
            await scene.until_shares(2, 2)
            await scene.send()
            await scene.until_counted()
    return await scene.verdict()


async def test_a_zombie_counts_nothing_twice(
    environment: Mapping[str, str], scene: _Scene, tmp_path: Path
) -> None:
    """Frozen past its lease and woken up, a worker is fenced: every position counts once."""
    verdict = await _with_a_zombie(environment, scene, BEFORE_THE_TRANSACTION, tmp_path / "freeze")

    assert scene.exact() == verdict


async def test_a_zombie_inside_its_transaction_holds_nobody_up(
    environment: Mapping[str, str], scene: _Scene, tmp_path: Path
) -> None:
    """Postgres ends the session of a worker that is frozen with locks; the next one counts."""
    marker = tmp_path / "freeze"
    script = INSIDE_THE_TRANSACTION
    async with _worker(environment, script, str(marker)) as zombie:
        await scene.until_shares(4)
        await asyncio.to_thread(marker.write_text, scene.ledger.vendor_id)
        await scene.send()
        async with _worker(environment):
            await scene.until_counted()
            zombie.send_signal(signal.SIGCONT)
            code = await zombie.wait()

    assert (1, scene.exact()) == (code, await scene.verdict())


async def test_without_the_fence_a_zombie_would_be_seen(
    environment: Mapping[str, str], scene: _Scene, tmp_path: Path
) -> None:
    """The check above fails for workers that move offsets without compare-and-set."""
    script = WITHOUT_FENCE + BEFORE_THE_TRANSACTION
    verdict = await _with_a_zombie(environment, scene, script, tmp_path / "freeze")

    assert scene.exact() != verdict


async def test_the_example_producers_events_are_counted(
    environment: Mapping[str, str], scene: _Scene, writer: Any
) -> None:
    """Events that a trusted producer writes as JSON count like those of the API."""
    vendor_id = scene.ledger.vendor_id
    await writer(vendor_id, live_from=date(2026, 1, 1), tenants=["acme"])
    events = [
        event | {"tokens": {"input_uncached": 5}} for event in producer.example_events("acme", 40)
    ]
    async with _worker(environment):
        await producer.send(
            environment["TALLYROLL_KAFKA_BOOTSTRAP"], vendor_id, events, mode="live"
        )
        scene.sent = len(events)
        await scene.until_counted()

    assert scene.exact() == await scene.verdict()


async def test_a_halted_worker_goes_on_when_it_is_accepted(
    environment: Mapping[str, str], scene: _Scene, stack: StackAddress
) -> None:
    """Too much that is broken ends the worker before it is rejected, until a person accepts it."""
    limits = {"TALLYROLL_REJECTED_RUN_MAX": "5", "TALLYROLL_EVENTS_PER_FLUSH": "100000"}
    halting = {**environment, **limits, "TALLYROLL_FLUSH_MILLISECONDS": "1000"}
    writing = KafkaUsageLog(stack.kafka_bootstrap)
    await writing.append([(0, b"broken")] * 20)
    await writing.stop()
    codes = []
    for _ in range(2):
        async with _worker(halting) as worker, asyncio.timeout(WAIT_SECONDS):
            codes.append(await worker.wait())
    rejected = await scene.ledger.query("select count(*) from metering.rejected")
    command = "from services.metering.cli import app; app()"
    accept = ("deadletters", "accept", "--partition", "0", "--reason", "known")
    async with _worker(halting, command, *accept) as accepting:
        codes.append(await accepting.wait())
    await scene.send()
    async with _worker(halting):
        await scene.until_counted()

    assert [EXIT_REJECTING, EXIT_REJECTING, 0] == codes
    assert 0 == rejected[0][0]
    assert scene.exact() == await scene.verdict()
