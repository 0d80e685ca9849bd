"""The archiver: writes every event of `usage.recorded` to Parquet, from its own offsets.

The offset move and the manifest rows are one transaction after the files are written. A crash in
between leaves files that are in no manifest, which nobody reads; the same records are then written
again.
"""

import asyncio
from dataclasses import dataclass, field

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from services.metering.archive.layout import ArchiveFile, cut, files_of
from services.metering.archive.log_reader import log_consumer
from services.metering.archive.storage import ArchiveStorage
from services.metering.ingest.log import read_partitions
from services.metering.repository import archive as repository
from services.metering.repository.offsets import provision
from services.metering.repository.verification import read_waited_for
from services.metering.worker.incoming import record_of
from services.metering.worker.reading import Record
from services.metering.worker.standing import LogLostError, first_read
from shared.database import Database
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

RECORDS_PER_CUT = 256
"""Files end where the offset is a multiple of it, unless they are cut earlier."""
BYTES_PER_CUT_MAX = 24 * 1024 * 1024
"""Bytes of records that one partition holds in memory before it is cut: a few 100,000 events."""
RECORDS_PER_FETCH = 64
FETCH_MILLISECONDS = 200
LOOK_SECONDS = 0.25
"""How often it is asked whether a seal waits for the archive."""
STANDBY_SECONDS = 2.0


@dataclass
class _Open:
    """The records of one partition that are not yet in a file."""

    next_read: int
    stored: int
    records: list[Record] = field(default_factory=list)
    size: int = 0
    since: float = 0.0


class Archiver:
    """Archives the log; `seconds` is the longest that a record waits."""

    def __init__(
        self, kafka_bootstrap: str, database: Database, storage: ArchiveStorage, *, seconds: float
    ) -> None:
        self._bootstrap = kafka_bootstrap
        self._database = database
        self._storage = storage
        self._seconds = seconds
        self._open: dict[int, _Open] = {}

    async def run(self) -> None:
        """Archive until cancelled; a second archiver waits until the first is gone.

        What is not in a file by then is read again by the next one.
        """
        while True:
            async with self._database.leadership("metering-archiver") as is_first:
                if is_first:
                    await self._archive()
            await asyncio.sleep(STANDBY_SECONDS)

    async def _archive(self) -> None:
        async with log_consumer(self._bootstrap) as consumer:
            await self._assign(consumer)
            loop = asyncio.get_running_loop()
            looked_at, waited_for = 0.0, dict[int, int]()
            while True:
                await self._read(consumer)
                if loop.time() - looked_at >= LOOK_SECONDS:
                    async with self._database.transaction() as connection:
                        waited_for = await read_waited_for(connection)
                    looked_at = loop.time()
                await self._cut_due(waited_for)

    async def _assign(self, consumer: AIOKafkaConsumer) -> None:
        partitions = await read_partitions(consumer, USAGE_RECORDED)
        async with self._database.transaction() as connection:
            count = await provision(connection, USAGE_RECORDED)
            await repository.provision_archive(connection, partitions)
            stored = await repository.read_archive_offsets(connection)
        if len(partitions) != count:
            raise LogLostError(f"{len(partitions)} partitions, counted with {count}")
        places = [TopicPartition(USAGE_RECORDED.name, p) for p in partitions]
        consumer.assign(places)
        begins = await consumer.beginning_offsets(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            offset = stored[place.partition]
            start = first_read(offset, begins[place], ends[place])
            self._open[place.partition] = _Open(next_read=start, stored=offset)
            consumer.seek(place, start)
        logger.info("archiver_started", offsets=stored)

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        fetched = await consumer.getmany(
            timeout_ms=FETCH_MILLISECONDS, max_records=RECORDS_PER_FETCH
        )
        for record in (record for records in fetched.values() for record in records):
            await self._take(record)

    async def _take(self, record: ConsumerRecord) -> None:
        own = self._open[record.partition]
        if record.offset < own.next_read:
            return
        if record.offset > own.next_read:
            place = f"partition {record.partition}, {own.next_read} to {record.offset}"
            raise LogLostError(f"records are missing: {place}")
        if not own.records:
            own.since = asyncio.get_running_loop().time()
        own.records.append(record_of(record))
        own.size += len(record.value or b"")
        own.next_read = record.offset + 1
        if own.next_read % RECORDS_PER_CUT == 0 or own.size >= BYTES_PER_CUT_MAX:
            await self._cut(own)

    async def _cut_due(self, waited_for: dict[int, int]) -> None:
        now = asyncio.get_running_loop().time()
        for partition, own in self._open.items():
            if not own.records:
                continue
            is_waited_for = own.records[0].offset < waited_for.get(partition, 0)
            if is_waited_for or now - own.since >= self._seconds:
                await self._cut(own)

    async def _cut(self, own: _Open) -> None:
        await archive_records(self._database, self._storage, own.records, expected=own.stored)
        own.stored = own.next_read
        own.records, own.size = [], 0


async def archive_records(
    database: Database, storage: ArchiveStorage, records: list[Record], *, expected: int
) -> None:
    """Write contiguous records of one partition, and make them exist.

    `expected` is where the partition's stored offset must be; raises `FencedError` otherwise.
    """
    manifest = await asyncio.to_thread(_write, storage, records)
    partition, end = records[0].partition, records[-1].offset + 1
    async with database.transaction() as connection:
        await repository.record_files(
            connection, partition, expected=expected, new=end, files=manifest
        )
    logger.info(
        "archived",
        partition=partition,
        first=records[0].offset,
        end=end,
        rows=sum(row.rows for row in manifest),
        files=len(manifest),
    )


def _write(storage: ArchiveStorage, records: list[Record]) -> list[repository.ManifestRow]:
    whole = cut(records[0].partition, records)
    return [_stored(storage, file) for file in files_of(whole)]


def _stored(storage: ArchiveStorage, file: ArchiveFile) -> repository.ManifestRow:
    storage.write(file.manifest.path, file.content)
    return file.manifest
