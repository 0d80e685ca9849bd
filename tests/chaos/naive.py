"""The rival that has to be caught: it trusts the offsets that it commits to Kafka.

A consumer group, a database transaction per batch, after them the commit to Kafka; the ids of
events are remembered while it runs. Every step is what tutorials show. Between the two commits
there is a gap, and a worker that was paused past the session timeout counts what another has
counted.
"""

import asyncio
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import polars as pl
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository.counting import KnownRows
from services.metering.repository.offsets import provision
from services.metering.running import open_database
from services.metering.settings import MeteringSettings
from services.metering.worker import counting
from services.metering.worker.flush import add_entries
from services.metering.worker.meters import KnownMeters
from services.metering.worker.reading import Record, read_records
from shared.database import Database
from shared.topics import RECORD_BYTES_MAX, USAGE_RECORDED
from tests.chaos.faults import SESSION_SECONDS

GROUP = "naive"
GATHER_MILLISECONDS = 50
RECORDS_MAX = 500
COMMIT_SECONDS = 1.0
"""As often as consumers usually commit: each commit is a round trip."""
IDENTITY = ("vendor_id", "tenant_id", "event_id")


class NaiveWorker:
    """Counts what the group gives it."""

    def __init__(self, settings: MeteringSettings, database: Database) -> None:
        self._database = database
        self._seen: set[tuple[str, ...]] = set()
        self._consumer = AIOKafkaConsumer(
            USAGE_RECORDED.name,
            bootstrap_servers=settings.kafka_bootstrap,
            group_id=GROUP,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            session_timeout_ms=int(SESSION_SECONDS * 1000),
            heartbeat_interval_ms=1000,
            max_partition_fetch_bytes=RECORD_BYTES_MAX,
        )

    async def run(self) -> None:
        """Count until an error."""
        async with self._database.transaction() as connection:
            await provision(connection, USAGE_RECORDED)
        await self._consumer.start()
        loop = asyncio.get_running_loop()
        committed_at = loop.time()
        while True:
            fetched = await self._consumer.getmany(
                timeout_ms=GATHER_MILLISECONDS, max_records=RECORDS_MAX
            )
            if records := [record for batch in fetched.values() for record in batch]:
                async with self._database.transaction() as connection:
                    await self._count(connection, records)
            if loop.time() - committed_at >= COMMIT_SECONDS:
                await self._consumer.commit()
                committed_at = loop.time()

    async def _count(self, connection: AsyncConnection, records: Sequence[ConsumerRecord]) -> None:
        read = [Record(r.partition, r.offset, r.value or b"") for r in records]
        events = read_records(read, partitions=USAGE_RECORDED.partitions).events
        events = events.filter(pl.col("occurred_at").is_not_null())
        events = events.unique(subset=IDENTITY, keep="first", maintain_order=True)
        ids = events.select(IDENTITY).rows()
        events = events.filter(pl.Series([key not in self._seen for key in ids], dtype=pl.Boolean))
        self._seen.update(ids)
        entries = events.with_columns(sign=pl.lit(1, pl.Int8), entry=pl.lit("usage"))
        await add_entries(connection, counting.book(entries, {}), KnownMeters(), KnownRows())
        await _tell_the_harness(connection, records)


async def _tell_the_harness(connection: AsyncConnection, records: Sequence[ConsumerRecord]) -> None:
    """Say how far all is read; nothing here looks at it."""
    last = {record.partition: record for record in records}
    await connection.execute(
        text(
            "update metering.consumer_offset set counted_through = :at, "
            "next_offset = greatest(next_offset, :next) where partition = :partition"
        ),
        [
            {
                "at": datetime.fromtimestamp(record.timestamp / 1000, UTC),
                "next": record.offset + 1,
                "partition": partition,
            }
            for partition, record in sorted(last.items())
        ],
    )


async def _main() -> None:
    settings = MeteringSettings()
    try:
        await NaiveWorker(settings, open_database(settings)).run()
    except BaseException as error:  # noqa: BLE001 - whatever it was, the supervisor starts anew
        sys.stderr.write(f"ended: {error!r}\n")
        os._exit(1)


if __name__ == "__main__":
    asyncio.run(_main())
