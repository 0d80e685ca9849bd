"""Workers share the partitions: joining, leaving, dying and waking up count nothing twice."""

import asyncio
import signal
from collections.abc import Mapping
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path
from typing import Any

from examples.producer import __main__ as producer
from services.metering.ingest.log import KafkaUsageLog
from services.metering.running import EXIT_REJECTING
from tests.support.stack import StackAddress

from .running_worker import (
    RUN,
    WAIT_SECONDS,
    Scene,
    _environment,
    _open_scene,
    _topic,
    _until,
    _worker,
)

__all__ = ["_environment", "_open_scene", "_topic"]
FREEZING = """
import os, pathlib, signal
from services.metering.worker.flush import Flusher
marker = pathlib.Path(sys.argv[1])
def freeze(reading):
    if marker.exists() and marker.read_text() in set(reading.events["vendor_id"]):
        marker.unlink()
        os.kill(os.getpid(), signal.SIGSTOP)
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


async def test_workers_join_and_leave(environment: Mapping[str, str], scene: Scene) -> None:
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
    environment: Mapping[str, str], scene: Scene
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
    environment: Mapping[str, str], scene: Scene, script: str, marker: Path
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
    environment: Mapping[str, str], scene: Scene, tmp_path: Path
) -> None:
    """Frozen past its lease and woken up, a worker is fenced: every position counts once."""
    verdict = await _with_a_zombie(environment, scene, BEFORE_THE_TRANSACTION, tmp_path / "freeze")

    assert scene.exact() == verdict


async def test_a_zombie_inside_its_transaction_holds_nobody_up(
    environment: Mapping[str, str], scene: Scene, tmp_path: Path
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
    environment: Mapping[str, str], scene: Scene, tmp_path: Path
) -> None:
    """The check above fails for workers that move offsets without compare-and-set."""
    script = WITHOUT_FENCE + BEFORE_THE_TRANSACTION
    verdict = await _with_a_zombie(environment, scene, script, tmp_path / "freeze")

    assert scene.exact() != verdict


async def test_the_example_producers_events_are_counted(
    environment: Mapping[str, str], scene: Scene, writer: Any
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
    environment: Mapping[str, str], scene: Scene, stack: StackAddress
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
