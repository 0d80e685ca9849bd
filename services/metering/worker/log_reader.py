"""Reading the log ahead: while one batch is counted, the next is fetched and decoded.

Memory is bounded: one batch is counted and one is ahead, each of about `events_per_flush` events,
and the consumer holds little more than `FETCH_BYTES_MAX` of fetched records.
"""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaConsumer, ConsumerRecord

from services.metering.repository.tenants import KnownTenants
from services.metering.settings import MeteringSettings
from services.metering.worker.incoming import records_of
from services.metering.worker.reading import Reading, read_records
from services.metering.worker.standing import LogLostError, Standing, place_of
from shared.topics import RECORD_BYTES_MAX

RECORDS_PER_FETCH = 10
"""Records of 5,000 events weigh 1.6 MB: so much may come on top of what a batch is to hold."""
FETCH_BYTES_MAX = 1024 * 1024
"""Compressed: it becomes about eight times as much. A larger record still comes, by itself."""
EVENT_BYTES_TYPICAL = 300
"""Bytes of one event in an envelope, about; it decides only how large a batch becomes."""


@dataclass(frozen=True)
class Batch:
    """Records that follow one another, read; `through` has each partition's first offset after.

    `taken_at` is when the broker took the last of a partition's records.
    """

    reading: Reading
    through: dict[int, int]
    taken_at: dict[int, datetime]
    records: int


def create_consumer(settings: MeteringSettings) -> AIOKafkaConsumer:
    """Return a consumer without a group: it reads what it is told, from where it is told."""
    return AIOKafkaConsumer(
        bootstrap_servers=settings.kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=RECORD_BYTES_MAX,
        fetch_max_bytes=FETCH_BYTES_MAX,
        check_crcs=True,
    )


class LogReader:
    """Reads the partitions of `positions`, of `partitions` that there are in all."""

    def __init__(
        self,
        settings: MeteringSettings,
        tenants: KnownTenants,
        stopping: asyncio.Event,
        *,
        consumer: AIOKafkaConsumer,
    ) -> None:
        self.positions: dict[int, Standing] = {}
        self.partitions = 0
        self.consumer = consumer
        self._settings = settings
        self._tenants = tenants
        self._stopping = stopping
        self._ahead: asyncio.Task[Batch | None] | None = None

    async def start(self) -> None:
        """Connect; raises when the broker cannot be reached."""
        await self.consumer.start()

    async def stop(self) -> None:
        """Forget what was read ahead, and disconnect."""
        await self._cancel()
        await self.consumer.stop()

    async def next_batch(self) -> Batch | None:
        """Return what was read ahead, else read now; None when nothing came in.

        Raises `LogLostError` where the log does not go on as it must.
        """
        if self._ahead is None:
            return await self._read()
        ahead, self._ahead = self._ahead, None
        return await ahead

    def read_ahead(self) -> None:
        """Begin with the next batch; `next_batch` returns it."""
        self._ahead = asyncio.create_task(self._read())

    async def drop(self) -> None:
        """Forget what was read ahead: it is read again, by whoever holds its partitions then.

        `assign` has to follow before the next batch.
        """
        await self._cancel()
        for position in self.positions.values():
            position.next_read = position.waiting_from

    def assign(self) -> None:
        """Have the consumer read what we hold; no await, so nothing is fetched from elsewhere."""
        self.consumer.assign([place_of(partition) for partition in self.positions])
        for partition, position in self.positions.items():
            self.consumer.seek(place_of(partition), position.next_read)

    async def _cancel(self) -> None:
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.cancel()
            await asyncio.wait([ahead])

    async def _read(self) -> Batch | None:
        gathered = await self._gather()
        if not gathered:
            return None
        count = len(gathered)
        through = {record.partition: record.offset + 1 for record in gathered}
        taken_at = {
            record.partition: datetime.fromtimestamp(record.timestamp / 1000, UTC)
            for record in gathered
        }
        records = await records_of(gathered, self._tenants)
        # The bytes go before the columns are worked on: both at once would be the peak.
        gathered.clear()
        # Decoding leaves the interpreter free, and Postgres busy with the batch before.
        reading = await asyncio.to_thread(read_records, records, partitions=self.partitions)
        return Batch(reading, through, taken_at, count)

    async def _gather(self) -> list[ConsumerRecord]:
        """Return records for one batch: about so many events, or what came in so long a time."""
        loop = asyncio.get_running_loop()
        records: list[ConsumerRecord] = []
        until = loop.time() + self._settings.flush_milliseconds / 1000
        size = 0
        # Events are not known before decoding: an envelope's bytes tell how many, about.
        while size < self._settings.events_per_flush * EVENT_BYTES_TYPICAL:
            remaining = until - loop.time()
            if remaining <= 0 or self._stopping.is_set():
                break
            fetched = await self.consumer.getmany(
                timeout_ms=max(int(remaining * 1000), 1), max_records=RECORDS_PER_FETCH
            )
            for record in (record for batch in fetched.values() for record in batch):
                if self._is_next(record):
                    records.append(record)
                    size += len(record.value or b"")
        return records

    def _is_next(self, record: ConsumerRecord) -> bool:
        position = self.positions.get(record.partition)
        if position is None or record.offset < position.next_read:
            return False
        if record.offset > position.next_read:
            place = f"partition {record.partition}, {position.next_read} to {record.offset}"
            raise LogLostError(f"records are missing: {place}")
        position.next_read = record.offset + 1
        return True
