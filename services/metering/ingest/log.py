"""The log `usage.recorded`: appending with acknowledgement, and where its partitions end."""

import asyncio
from typing import Any, Protocol

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import UnknownTopicOrPartitionError

from services.metering.ingest.envelope import HEADERS
from shared.broker import create_producer
from shared.topics import USAGE_RECORDED, Topic

logger = structlog.get_logger()

APPEND_SECONDS_MAX = 10.0
"""After this the client is told to send again; a record that arrives later is a duplicate."""
END_OFFSETS_SECONDS_MAX = 5.0


class UsageLog(Protocol):
    """Where accepted events go. `append` returns once every record is acknowledged."""

    async def append(self, records: list[tuple[int, bytes]]) -> None: ...


class LogEnds(Protocol):
    """Tells where the partitions of `usage.recorded` end: the offset after the last record."""

    async def end_offsets(self) -> dict[int, int]: ...


class KafkaUsageLog:
    """`usage.recorded` on Kafka. After a failure the producer is replaced.

    An idempotent producer whose batch failed for good leaves a gap in its sequence and is refused
    from then on.
    """

    def __init__(self, kafka_bootstrap: str) -> None:
        self._bootstrap = kafka_bootstrap
        self._producer: Any = None
        self._replacing = asyncio.Lock()

    async def start(self) -> None:
        await self._working()

    async def _start_producer(self) -> AIOKafkaProducer:
        # The gather has waited already, so the producer does not.
        producer = create_producer(self._bootstrap, linger_ms=0)
        try:
            await producer.start()
        except BaseException:
            await producer.stop()
            raise
        self._producer = producer
        return producer

    async def stop(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await producer.stop()

    async def append(self, records: list[tuple[int, bytes]]) -> None:
        producer = await self._working()
        try:
            async with asyncio.timeout(APPEND_SECONDS_MAX):
                pending = [
                    await producer.send(
                        USAGE_RECORDED.name, envelope, partition=partition, headers=HEADERS
                    )
                    for partition, envelope in records
                ]
                await asyncio.gather(*pending)
        except Exception:
            await self._discard(producer)
            raise

    async def ping(self) -> None:
        """Raise when the broker does not answer."""
        producer = await self._working()
        await producer.client.fetch_all_metadata()

    async def _working(self) -> AIOKafkaProducer:
        async with self._replacing:
            return self._producer or await self._start_producer()

    async def _discard(self, producer: AIOKafkaProducer) -> None:
        async with self._replacing:
            if self._producer is not producer:
                return
            self._producer = None
        try:
            async with asyncio.timeout(APPEND_SECONDS_MAX):
                await producer.stop()
        except Exception as error:  # noqa: BLE001 - it is being thrown away
            logger.warning("producer_discarded", error=type(error).__name__)


class KafkaLogEnds:
    """Reads end offsets with a consumer that belongs to no group."""

    def __init__(self, kafka_bootstrap: str, topic: Topic = USAGE_RECORDED) -> None:
        self._consumer = AIOKafkaConsumer(bootstrap_servers=kafka_bootstrap)
        self._topic = topic

    async def start(self) -> None:
        await self._consumer.start()

    async def stop(self) -> None:
        await stop_consumer(self._consumer)

    async def end_offsets(self) -> dict[int, int]:
        async with asyncio.timeout(END_OFFSETS_SECONDS_MAX):
            partitions = await read_partitions(self._consumer, self._topic)
            places = [TopicPartition(self._topic.name, p) for p in partitions]
            ends = await self._consumer.end_offsets(places)
        return {place.partition: offset for place, offset in ends.items()}


async def stop_consumer(consumer: AIOKafkaConsumer) -> None:
    """End a consumer that belongs to no group."""
    try:
        await consumer.stop()
    except asyncio.CancelledError:
        # aiokafka raises this for a routine of its own that it ended before its first step;
        # it is ours only if somebody cancels this task.
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise


async def read_partitions(consumer: AIOKafkaConsumer, topic: Topic) -> list[int]:
    """Return the topic's partitions as the broker has them now; raises when there is none.

    The consumer's own view is empty until it is assigned, and "no partitions" would pass for
    "everything is read".
    """
    metadata = await consumer._client.fetch_all_metadata()  # noqa: SLF001 - no public refresh
    partitions = metadata.partitions_for_topic(topic.name)
    if not partitions:
        raise UnknownTopicOrPartitionError(topic.name)
    return sorted(partitions)
