"""Composition: what each of metering's processes is put together from."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from functools import partial
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI

from services.metering.api import Dependencies, router
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import KafkaLogEnds, KafkaUsageLog
from services.metering.publisher import Publisher
from services.metering.repository.offsets import provision
from services.metering.repository.tenants import KnownTenants
from services.metering.sealing import Sealer
from services.metering.settings import MeteringSettings
from services.metering.tables import outbox
from services.metering.worker.loop import Worker
from shared.accounts.access import Access
from shared.api import create_api
from shared.broker import create_producer
from shared.clock import Clock, SystemClock
from shared.database import Database
from shared.health import health_router
from shared.outbox import OutboxRelay
from shared.topics import USAGE_RECORDED

logger = structlog.get_logger()

EXIT_FAILED = 1
SHUTDOWN_SECONDS_MAX = 10


def open_database(settings: MeteringSettings) -> Database:
    """Return the pool of connections of one process."""
    url = settings.metering_database_url.get_secret_value()
    return Database(url, connections=settings.database_connections)


def create_app(settings: MeteringSettings, clock: Clock | None = None) -> FastAPI:
    """Return the API; its lifespan opens and closes what it works with."""
    clock = clock or SystemClock()
    database = open_database(settings)
    log = KafkaUsageLog(settings.kafka_bootstrap)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with database.transaction() as connection:
            partitions = await provision(connection, USAGE_RECORDED)
        ends = KafkaLogEnds(settings.kafka_bootstrap)
        gatherer = Gatherer(log)
        try:
            await log.start()
            await ends.start()
            tenants = KnownTenants(database, clock)
            app.state.dependencies = Dependencies(
                database, gatherer, ends, tenants, clock, partitions
            )
            yield
        finally:
            await gatherer.close()
            await ends.stop()
            await log.stop()
            await database.close()

    pepper = settings.secret_key.get_secret_value().encode()
    app = create_api(
        "Tallyroll metering",
        "Takes token events in and counts each exactly once.",
        lifespan=lifespan,
        access=Access(database, pepper, clock),
    )
    app.include_router(router)
    app.include_router(health_router({"database": database.ping, "broker": log.ping}))
    return app


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise SIGTERM again after a clean end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_api(settings: MeteringSettings) -> int:
    """Serve the API until SIGTERM."""
    config = uvicorn.Config(
        create_app(settings),
        host=settings.bind_host,
        port=settings.metering_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )
    server = _Server(config)

    async def serve() -> None:
        _on_termination(lambda: setattr(server, "should_exit", True))
        await server.serve()

    uvloop.run(serve())
    return 0 if server.started else EXIT_FAILED


def run_worker(settings: MeteringSettings) -> int:
    """Count until SIGTERM. Any failure ends the process at once: the outcome may be unknown."""

    async def count() -> None:
        database = open_database(settings)
        worker = Worker(settings, database, SystemClock())
        _on_termination(worker.stop)
        try:
            await worker.run()
        except BaseException:
            logger.exception("worker_failed")
            os._exit(EXIT_FAILED)
        await database.close()

    asyncio.run(count())
    return 0


def run_publisher(settings: MeteringSettings) -> int:
    """Publish, seal due days and relay the outbox until SIGTERM."""

    async def publish() -> None:
        stopping = asyncio.Event()
        _on_termination(stopping.set)
        database = open_database(settings)
        new_producer = partial(create_producer, settings.kafka_bootstrap)
        ends = KafkaLogEnds(settings.kafka_bootstrap)
        try:
            await ends.start()
            logger.info("publisher_started", grace_minutes=settings.seal_grace_minutes)
            await _run_until(
                stopping,
                Publisher(database, settings.publish_seconds).run(),
                Sealer(database, ends, SystemClock()).run(
                    timedelta(minutes=settings.seal_grace_minutes)
                ),
                OutboxRelay(database, outbox, new_producer).run(),
            )
        finally:
            await ends.stop()
            await database.close()

    asyncio.run(publish())
    return 0


async def _run_until(stopping: asyncio.Event, *loops: Coroutine[Any, Any, None]) -> None:
    """Run endless loops until it is time to stop; one that ends by itself is an error."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    waiting = asyncio.create_task(stopping.wait())
    done, _ = await asyncio.wait([*tasks, waiting], return_when=asyncio.FIRST_COMPLETED)
    for task in (*tasks, waiting):
        task.cancel()
    await asyncio.gather(*tasks, waiting, return_exceptions=True)
    for task in done - {waiting}:
        task.result()


def _on_termination(stop: Callable[[], object]) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
