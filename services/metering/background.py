"""The processes beside counting: one publishes and seals, one archives and counts again."""

import asyncio
import os
from datetime import timedelta
from functools import partial

import structlog

from services.metering.archive.archiver import Archiver
from services.metering.archive.storage import ArchiveStorage
from services.metering.archive.verification import Verifier
from services.metering.backfill import MeterBackfill
from services.metering.consumers import add_consumers
from services.metering.event_source import HistoricEvents
from services.metering.housekeeping import Housekeeper
from services.metering.ingest.log import KafkaLogEnds, LogEnds
from services.metering.publisher import usage_publisher
from services.metering.publishing_runs import runs_publisher
from services.metering.running import EXIT_FAILED, on_termination, open_database, run_until
from services.metering.sealing import Sealer
from services.metering.settings import MeteringSettings
from services.metering.tables import outbox
from services.metering.valuing import MeterValuer
from shared.broker import create_broker, create_producer
from shared.clock import SystemClock
from shared.database import Database
from shared.outbox import OutboxRelay

logger = structlog.get_logger()


def run_publisher(settings: MeteringSettings) -> int:
    """Publish, seal due days, answer for meters and relay the outbox until SIGTERM."""

    async def publish() -> None:
        stopping = asyncio.Event()
        on_termination(stopping.set)
        database = open_database(settings)
        new_producer = partial(create_producer, settings.kafka_bootstrap)
        ends = KafkaLogEnds(settings.kafka_bootstrap)
        storage = ArchiveStorage.open(settings.archive_url)
        events = HistoricEvents(database, settings.kafka_bootstrap, storage)
        broker = create_broker(settings.kafka_bootstrap, logger=None)
        add_consumers(broker, database, SystemClock(), settings)
        try:
            await ends.start()
            await broker.start()
            logger.info("publisher_started", grace_minutes=settings.seal_grace_minutes)
            await run_until(
                stopping,
                usage_publisher(database, settings.publish_seconds).run(),
                runs_publisher(database, settings.publish_runs_seconds).run(),
                open_sealer(settings, database, ends).run(
                    timedelta(minutes=settings.seal_grace_minutes)
                ),
                OutboxRelay(database, outbox, new_producer).run(),
                Housekeeper(database, SystemClock()).run(),
                MeterBackfill(database, events, SystemClock()).run(),
                MeterValuer(database, events, SystemClock()).run(),
            )
        finally:
            await broker.stop()
            await ends.stop()
            await database.close()

    asyncio.run(publish())
    return 0


def open_sealer(settings: MeteringSettings, database: Database, ends: LogEnds) -> Sealer:
    """Return the sealer as the deployment wants it."""
    return Sealer(database, ends, SystemClock(), recounts=settings.recount == "on")


def run_archiver(settings: MeteringSettings) -> int:
    """Archive the log and count sealed days again until SIGTERM."""

    async def archive() -> None:
        stopping = asyncio.Event()
        on_termination(stopping.set)
        database = open_database(settings)
        storage = ArchiveStorage.open(settings.archive_url)
        archiver = Archiver(
            settings.kafka_bootstrap, database, storage, seconds=settings.archive_seconds
        )
        try:
            await run_until(
                stopping, archiver.run(), Verifier(database, storage, SystemClock()).run()
            )
        except BaseException:
            logger.exception("archiver_failed")
            os._exit(EXIT_FAILED)
        await database.close()

    asyncio.run(archive())
    return 0
