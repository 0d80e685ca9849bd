"""The SDK's transport to Kafka: what it writes is counted once, and outlives the broker."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.local.kafka import KAFKA, fetch_jars, format_kafka, start_kafka
from deploy.local.ports import free_ports
from deploy.local.supervisor import Supervisor
from tallyroll import Meter, Response, Spool, Transport
from tallyroll.kafka import KafkaTransport
from tests.support.stack import StackAddress

from .running_worker import PARTITIONS, Scene, _environment, _open_scene, _topic, _until, _worker

__all__ = ["_environment", "_open_scene", "_topic"]
SMALL_RECORD_BYTES = 20_000
KILLS = 2
EVENTS_BETWEEN_KILLS = 500
PAUSE_SECONDS_MAX = 0.5


class Twice:
    """Delivers each batch two times, as a sender does that never saw its first answer."""

    def __init__(self, inner: KafkaTransport) -> None:
        self._inner = inner

    def send(self, body: bytes) -> Response:
        self._inner.send(body)
        return self._inner.send(body)


def _record(meter: Meter, count: int, **more: Any) -> list[str]:
    return [
        meter.record(
            agent="coder", model="gpt-5", provider="openai", tokens={"input_uncached": 5}, **more
        )
        for _ in range(count)
    ]


async def _read(bootstrap: str, topic: str) -> list[str]:
    """Return the ids of all events in the topic, repetitions included."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    partitions = [TopicPartition(topic, p) for p in range(PARTITIONS)]
    consumer.assign(partitions)
    ends = await consumer.end_offsets(partitions)
    ids: list[str] = []
    for partition in partitions:
        while await consumer.position(partition) < ends[partition]:
            for records in (await consumer.getmany(timeout_ms=1_000)).values():
                for record in records:
                    assert record.value is not None
                    ids += [e["event_id"] for e in msgspec.json.decode(record.value)["events"]]
    await consumer.stop()
    return ids


async def _create(bootstrap: str, topic: str, **settings: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, PARTITIONS, 1, topic_configs=settings)])
    await admin.close()


@pytest.fixture(name="transport")
def _transport(stack: StackAddress, topic: str, scene: Scene) -> Any:
    transport = KafkaTransport(
        stack.kafka_bootstrap,
        vendor_id=scene.ledger.vendor_id,
        mode="live",
        tenant="acme",
        topic=topic,
    )
    yield transport
    transport.close()


@pytest.mark.parametrize("repeated", [False, True])
async def test_events_through_kafka_are_counted_once(
    *,
    environment: Mapping[str, str],
    scene: Scene,
    writer: Any,
    transport: KafkaTransport,
    repeated: bool,
) -> None:
    """The worker takes every event, and a batch that is delivered again adds nothing."""
    await writer(scene.ledger.vendor_id, live_from=date(2026, 1, 1), tenants=["acme"])
    carrying: Transport = Twice(transport) if repeated else transport
    async with _worker(environment):
        meter = Meter(transport=carrying, batch_events=100)
        scene.sent = len(_record(meter, 1_200))
        assert await asyncio.to_thread(meter.close)
        await scene.until_counted()
        verdict = await scene.verdict()
    rejected = await scene.ledger.query(
        "select count(*) from metering.rejected where vendor_id = :vendor"
    )

    assert (1_200, 0) == (meter.stats().accepted, rejected[0][0])
    assert {**scene.exact(), "again": verdict["again"]} == verdict
    assert repeated == (verdict["again"] > 0)


async def test_an_event_too_large_for_the_broker_is_rejected_alone(stack: StackAddress) -> None:
    """The batch is halved until the guilty event is alone; its neighbours are written."""
    topic = f"small.{uuid4().hex[:8]}"
    limit = {"max.message.bytes": str(SMALL_RECORD_BYTES)}
    await _create(stack.kafka_bootstrap, topic, **limit)
    transport = KafkaTransport(
        stack.kafka_bootstrap, vendor_id="v", mode="test", tenant="acme", topic=topic
    )
    with Meter(transport=transport) as meter:
        good = _record(meter, 30)
        tags = {f"k{i}": os.urandom(100).hex() for i in range(300)}
        (bad,) = _record(meter, 1, tags=tags)
        good += _record(meter, 30)
        assert await asyncio.to_thread(meter.flush)
    transport.close()

    assert [(bad, "event_too_large")] == [(r.event_id, r.code) for r in meter.rejected]
    assert set(good) == set(await _read(stack.kafka_bootstrap, topic))


@pytest.fixture(name="broker")
async def _broker(tmp_path: Path) -> AsyncIterator[tuple[Supervisor, str]]:
    """Yield a broker of the test's own, started again whenever it dies, and its address."""
    async with Supervisor(tmp_path / "broker") as supervisor:
        await fetch_jars(supervisor)
        await format_kafka(supervisor)
        yield supervisor, await start_kafka(supervisor, *free_ports(2))


def _is_over(
    supervisor: Supervisor, kills: int, meter: Meter, accepted: int
) -> Callable[[], Awaitable[bool]]:
    async def is_over() -> bool:
        return supervisor.restarts(KAFKA) == kills and meter.stats().accepted == accepted

    return is_over


async def test_a_killed_broker_costs_no_event(
    broker: tuple[Supervisor, str], tmp_path: Path
) -> None:
    """Killed while events are sent, and back again: the log has every event that was recorded."""
    supervisor, bootstrap = broker
    await _create(bootstrap, "usage.recorded")
    transport = KafkaTransport(bootstrap, vendor_id="v", mode="test", tenant="acme", timeout=2.0)
    meter = Meter(
        transport=transport,
        spool=Spool(directory=tmp_path / "spool"),
        batch_events=10,
        pause=lambda seconds: threading.Event().wait(min(seconds, PAUSE_SECONDS_MAX)),
    )
    ids: list[str] = []
    for kills in range(1, KILLS + 1):
        ids += _record(meter, EVENTS_BETWEEN_KILLS)
        pid = supervisor.pid(KAFKA)
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        ids += _record(meter, EVENTS_BETWEEN_KILLS)
        await _until(_is_over(supervisor, kills, meter, len(ids)))
    stats = meter.stats()
    assert await asyncio.to_thread(meter.close)
    await asyncio.to_thread(transport.close)

    assert (len(ids), 0, 0) == (stats.accepted, stats.rejected, stats.lost)
    assert stats.retried
    assert set(ids) == set(await _read(bootstrap, "usage.recorded"))
