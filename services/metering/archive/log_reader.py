"""Reads single records and the tail of `usage.recorded`, with a consumer of no group."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from services.metering.ingest.log import stop_consumer
from services.metering.worker.incoming import record_of
from services.metering.worker.reading import Record
from shared.topics import RECORD_BYTES_MAX, USAGE_RECORDED, Topic

READ_SECONDS_MAX = 15.0
FETCH_MILLISECONDS = 500
RECORDS_PER_FETCH = 200
SKIP_AT_MOST = 100
"""The next wanted record is fetched on its own when it lies further ahead than that."""


@asynccontextmanager
async def log_consumer(kafka_bootstrap: str) -> AsyncIterator[AIOKafkaConsumer]:
    """Open a consumer that belongs to no group and keeps no offsets in Kafka."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=kafka_bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=RECORD_BYTES_MAX,
        check_crcs=True,
    )
    await consumer.start()
    try:
        yield consumer
    finally:
        await stop_consumer(consumer)


async def read_records_at(
    kafka_bootstrap: str, wanted: Mapping[int, Iterable[int]], topic: Topic = USAGE_RECORDED
) -> list[Record]:
    """Return the records at these offsets by partition; those not in the log are left out.

    Raises TimeoutError or a KafkaError when the broker does not answer.
    """
    found: list[Record] = []
    async with asyncio.timeout(READ_SECONDS_MAX), log_consumer(kafka_bootstrap) as consumer:
        places = {p: TopicPartition(topic.name, p) for p in wanted}
        begins = await consumer.beginning_offsets(list(places.values()))
        ends = await consumer.end_offsets(list(places.values()))
        for partition, place in places.items():
            offsets = {o for o in wanted[partition] if begins[place] <= o < ends[place]}
            if offsets:
                # What retention deletes meanwhile is in the archive.
                with suppress(OffsetOutOfRangeError):
                    found += await _read_partition(consumer, place, offsets)
    return found


async def _read_partition(
    consumer: AIOKafkaConsumer, place: TopicPartition, offsets: set[int]
) -> list[Record]:
    found: list[Record] = []
    waiting = sorted(offsets)
    consumer.assign([place])
    consumer.seek(place, waiting[0])
    while waiting:
        fetched = await consumer.getmany(
            timeout_ms=FETCH_MILLISECONDS, max_records=RECORDS_PER_FETCH
        )
        records = fetched.get(place, [])
        found += [record_of(r) for r in records if r.offset in offsets]
        if not records:
            continue
        position = records[-1].offset + 1
        waiting = [offset for offset in waiting if offset >= position]
        if waiting and waiting[0] > position + SKIP_AT_MOST:
            consumer.seek(place, waiting[0])
    return found
