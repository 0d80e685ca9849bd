"""Reading ahead of the flush: nothing is skipped when it is given up."""

import asyncio
from datetime import UTC, datetime
from typing import Any, cast

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.metering.repository.tenants import KnownTenants
from services.metering.settings import MeteringSettings
from services.metering.worker.log_reader import Batch, LogReader
from services.metering.worker.standing import Standing, place_of
from shared.clock import FrozenClock
from shared.database import Database

NOW = datetime(2026, 1, 31, tzinfo=UTC)
PARTITION, RECORDS = 0, 6
GARBAGE = b"no envelope " * 30
"""As large as an event, so that two records fill a batch of one."""
DATABASE = "postgresql://nobody@localhost/nothing"
SETTINGS = MeteringSettings.model_validate(
    {
        "kafka_bootstrap": "localhost:1",
        "metering_database_url": DATABASE,
        "secret_key": "x" * 32,
        "flush_milliseconds": 1000,
        "events_per_flush": 2,
    }
)


class _Log:
    """A partition of a few records, handed out two at a time from where it was sought."""

    def __init__(self, ended: asyncio.Event) -> None:
        self.next = 0
        self.ended = ended
        self.is_ahead = asyncio.Event()

    def assign(self, _places: list[TopicPartition]) -> None:
        pass

    def seek(self, _place: TopicPartition, offset: int) -> None:
        self.next = offset

    async def getmany(self, **_limits: int) -> dict[TopicPartition, list[ConsumerRecord[Any, Any]]]:
        await asyncio.sleep(0)
        offsets = range(self.next, min(self.next + 2, RECORDS))
        self.next = offsets.stop
        if offsets.start:
            self.is_ahead.set()
        if not offsets:
            self.ended.set()
        return {place_of(PARTITION): [_record(offset) for offset in offsets]}

    async def stop(self) -> None:
        pass


def _record(offset: int) -> ConsumerRecord[Any, Any]:
    topic, partition = place_of(PARTITION)
    return ConsumerRecord(topic, partition, offset, 0, 0, None, GARBAGE, None, 0, 11, headers=())


class _Skipping(LogReader):
    """The broken variant: what was read ahead is forgotten, and yet taken for read."""

    async def drop(self) -> None:
        await self._cancel()


async def _counted(kind: type[LogReader]) -> list[int]:
    """Count some, give up what was read ahead once, and count on; return where batches ended."""
    database = Database(DATABASE)
    stopping = asyncio.Event()
    log = _Log(stopping)
    tenants = KnownTenants(database, FrozenClock(NOW))
    reader = kind(SETTINGS, tenants, stopping, consumer=cast("AIOKafkaConsumer", log))
    reader.partitions = 4
    reader.positions[PARTITION] = Standing(0, 0, 0, 0.0)
    seen: list[int] = []
    given_up = False
    while (batch := await reader.next_batch()) is not None:
        reader.read_ahead()
        _count(reader, batch, seen)
        if not given_up:
            given_up = True
            await log.is_ahead.wait()
            await reader.drop()
            reader.assign()
    await reader.stop()
    await database.close()
    return seen


def _count(reader: LogReader, batch: Batch, seen: list[int]) -> None:
    seen += [rejection.offset for rejection in batch.reading.rejections]
    reader.positions[PARTITION].count(batch.through[PARTITION], now=0.0)


async def test_what_was_read_ahead_and_given_up_is_read_again() -> None:
    """Every record is read once by whoever counts it, also when partitions changed hands."""
    assert list(range(RECORDS)) == await _counted(LogReader)


async def test_forgetting_without_going_back_would_lose_records() -> None:
    """The broken variant goes on behind what nobody counted."""
    assert list(range(RECORDS)) != await _counted(_Skipping)
