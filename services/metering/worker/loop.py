"""The worker: reads every partition of `usage.recorded`, from where Postgres says it stands.

There is no consumer group. The stored offset is the truth, the compare-and-set in the flush fences
a stale worker, and whatever goes wrong ends the process: the next one starts from Postgres.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.metering.ingest.log import read_partitions
from services.metering.repository.offsets import Move, Progress, provision, read_progress
from services.metering.repository.offsets import move_offsets as move
from services.metering.settings import MeteringSettings
from services.metering.worker.flush import Flushed, flush
from services.metering.worker.reading import Reading, Record, read_records
from shared.clock import Clock
from shared.database import Database
from shared.topics import RECORD_BYTES_MAX, USAGE_RECORDED

logger = structlog.get_logger()

RECORDS_PER_FETCH = 50
FETCH_BYTES_MAX = 64 * 1024 * 1024
HEARTBEAT_SECONDS = 1.0
WATCH_SECONDS = 5.0


class LogLostError(Exception):
    """The log and the stored offsets do not fit together: records are lost, a person must look."""


class StalledError(Exception):
    """There are records, and for too long none was counted."""


@dataclass
class _Position:
    """Where one partition stands: the stored offset, and the next record to read."""

    stored: int
    next_read: int


class Worker:
    """Counts the log until it is told to stop."""

    def __init__(self, settings: MeteringSettings, database: Database, clock: Clock) -> None:
        self._settings = settings
        self._database = database
        self._clock = clock
        self._positions: dict[int, _Position] = {}
        self._stopping = asyncio.Event()
        self._progressed_at = 0.0
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=settings.kafka_bootstrap,
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=RECORD_BYTES_MAX,
            fetch_max_bytes=FETCH_BYTES_MAX,
            check_crcs=True,
        )

    def stop(self) -> None:
        """End after the flush that is under way."""
        self._stopping.set()

    async def run(self) -> None:
        """Count until `stop`. Every error means: end the process without a further word."""
        await self._consumer.start()
        try:
            await self._assign()
            async with asyncio.TaskGroup() as tasks:
                watch = tasks.create_task(self._watch())
                await self._count_until_stopped()
                watch.cancel()
        finally:
            await self._consumer.stop()

    async def _assign(self) -> None:
        async with self._database.transaction() as connection:
            count = await provision(connection, USAGE_RECORDED)
            stored = await read_progress(connection, USAGE_RECORDED)
        partitions = await read_partitions(self._consumer, USAGE_RECORDED)
        if len(partitions) != count:
            raise LogLostError(f"{len(partitions)} partitions, counted with {count}")
        places = [_place(partition) for partition in stored]
        self._consumer.assign(places)
        begins = await self._consumer.beginning_offsets(places)
        ends = await self._consumer.end_offsets(places)
        for partition, progress in stored.items():
            place = _place(partition)
            start = first_read(progress, begins[place], ends[place])
            self._positions[partition] = _Position(progress.next_offset, start)
            self._consumer.seek(place, start)
        logger.info("worker_started", offsets={p: s.next_offset for p, s in stored.items()})

    async def _count_until_stopped(self) -> None:
        loop = asyncio.get_running_loop()
        self._progressed_at = loop.time()
        beat_at = 0.0
        while not self._stopping.is_set():
            if loop.time() - beat_at >= HEARTBEAT_SECONDS:
                await self._beat()
                beat_at = loop.time()
            if gathered := await self._gather():
                await self._flush(gathered)
                self._progressed_at = loop.time()

    async def _gather(self) -> list[ConsumerRecord]:
        """Return records for one flush: about so many events, or what came in so long a time."""
        loop = asyncio.get_running_loop()
        records: list[ConsumerRecord] = []
        until = loop.time() + self._settings.flush_milliseconds / 1000
        size = 0
        # Events are not known before decoding: an envelope's bytes tell how many, about.
        while size < self._settings.events_per_flush * EVENT_BYTES_TYPICAL:
            remaining = until - loop.time()
            if remaining <= 0 or self._stopping.is_set():
                break
            fetched = await self._consumer.getmany(
                timeout_ms=max(int(remaining * 1000), 1), max_records=RECORDS_PER_FETCH
            )
            for record in (record for batch in fetched.values() for record in batch):
                if self._is_next(record):
                    records.append(record)
                    size += len(record.value or b"")
        return records

    def _is_next(self, record: ConsumerRecord) -> bool:
        position = self._positions[record.partition]
        if record.offset < position.next_read:
            return False
        if record.offset > position.next_read:
            place = f"partition {record.partition}, {position.next_read} to {record.offset}"
            raise LogLostError(f"records are missing: {place}")
        position.next_read = record.offset + 1
        return True

    async def _flush(self, gathered: list[ConsumerRecord]) -> Flushed:
        started = asyncio.get_running_loop().time()
        records = [Record(r.partition, r.offset, r.value or b"") for r in gathered]
        reading: Reading = read_records(records, partitions=len(self._positions))
        taken: dict[int, datetime] = {}
        for record in gathered:
            taken[record.partition] = datetime.fromtimestamp(record.timestamp / 1000, UTC)
        now = self._clock.now()
        moves = {
            partition: Move(
                expected=self._positions[partition].stored,
                new=self._positions[partition].next_read,
                counted_through=min(instant, now),
            )
            for partition, instant in taken.items()
        }
        flushed = await flush(self._database, reading, moves)
        for partition, step in moves.items():
            self._positions[partition].stored = step.new
        logger.info(
            "flushed",
            records=len(records),
            counted=flushed.counted,
            duplicates=flushed.duplicates,
            rejected=flushed.rejected,
            seconds=round(asyncio.get_running_loop().time() - started, 3),
        )
        return flushed

    async def _beat(self) -> None:
        """Say of partitions that are read to their end that all is counted until now.

        The same compare-and-set as in a flush: a stale worker notices here, too.
        """
        now = self._clock.now()
        ends = await self._consumer.end_offsets([_place(p) for p in self._positions])
        moves = {
            partition: Move(position.stored, position.stored, now)
            for partition, position in self._positions.items()
            if ends[_place(partition)] <= position.next_read
        }
        if moves:
            async with self._database.transaction() as connection:
                await move(connection, USAGE_RECORDED, moves)

    async def _watch(self) -> None:
        """Raise when there are records and none was counted for too long."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            idle = loop.time() - self._progressed_at
            if idle < self._settings.worker_stalled_seconds:
                continue
            ends = await self._consumer.end_offsets([_place(p) for p in self._positions])
            lag = sum(ends[_place(p)] - s.next_read for p, s in self._positions.items())
            if lag > 0:
                raise StalledError(f"{lag} records wait, none counted for {idle:.0f} s")


EVENT_BYTES_TYPICAL = 300
"""Bytes of one event in an envelope, about; it decides only how large a flush becomes."""


def _place(partition: int) -> TopicPartition:
    return TopicPartition(USAGE_RECORDED.name, partition)


def first_read(progress: Progress, begin: int, end: int) -> int:
    """Return the first offset to read of a log that holds [begin, end).

    A log that ends before the stored offset was replaced; one that begins after it lost records,
    unless nothing was ever counted.
    """
    if end < progress.next_offset:
        raise LogLostError(f"the log ends at {end}, counted are {progress.next_offset}")
    if begin > progress.next_offset > 0:
        raise LogLostError(f"the log begins at {begin}, counted are {progress.next_offset}")
    return max(begin, progress.next_offset)
