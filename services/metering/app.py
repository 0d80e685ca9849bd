"""The API: what it is put together from, and its process."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta

import uvicorn
import uvloop
from fastapi import FastAPI

from services.metering.api import Dependencies, Intake, router
from services.metering.archive.drill_down import DrillDown
from services.metering.archive.lookup import EventLookup
from services.metering.archive.storage import ArchiveStorage
from services.metering.attention import attention_router
from services.metering.event_source import HistoricEvents
from services.metering.ingest.admission import Admission
from services.metering.ingest.gather import Gatherer
from services.metering.ingest.log import KafkaLogEnds, KafkaUsageLog
from services.metering.processes import inherited, run_children
from services.metering.repository.offsets import provision
from services.metering.repository.tenants import KnownTenants
from services.metering.running import EXIT_FAILED, on_termination, open_database
from services.metering.settings import MeteringSettings
from shared.accounts.access import Access
from shared.api import create_api
from shared.clock import Clock, SystemClock
from shared.garbage import collect_rarely
from shared.health import health_router
from shared.topics import USAGE_RECORDED

SHUTDOWN_SECONDS_MAX = 10


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
        gatherer = Gatherer(log, waiting_bytes_max=settings.ingest_waiting_bytes_max)
        try:
            await log.start()
            await ends.start()
            tenants = KnownTenants(database, clock)
            storage = ArchiveStorage.open(settings.archive_url)
            events = HistoricEvents(database, settings.kafka_bootstrap, storage)
            app.state.dependencies = Dependencies(
                database,
                gatherer,
                ends,
                tenants,
                clock,
                partitions,
                DrillDown(settings.kafka_bootstrap, database, storage),
                events,
                EventLookup(settings.kafka_bootstrap, database, storage),
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
    app.include_router(attention_router(timedelta(minutes=settings.seal_grace_minutes)))
    app.include_router(health_router({"database": database.ping, "broker": log.ping}))
    app.middleware_stack = Admission(
        Intake(app, app.build_middleware_stack()),
        requests_max=settings.ingest_requests_max,
        body_seconds_max=settings.ingest_body_seconds_max,
    )
    return app


class _Server(uvicorn.Server):
    """Leaves signals to us: uvicorn would raise SIGTERM again after a clean end."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run_api(settings: MeteringSettings) -> int:
    """Serve the API until SIGTERM, in as many processes as the settings say."""
    parent = inherited()
    if parent is None and settings.metering_api_processes > 1:
        return run_children(settings)
    config = uvicorn.Config(
        create_app(settings),
        host=settings.bind_host,
        port=settings.metering_port,
        log_config=None,
        access_log=False,
        proxy_headers=False,  # nobody asks where a request comes from
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS_MAX,
    )
    server = _Server(config)

    async def serve() -> None:
        def stop() -> None:
            server.should_exit = True

        on_termination(stop)
        if parent is not None:
            parent.when_parent_ends(stop)
        await server.serve([parent.listener] if parent else None)

    collect_rarely()
    uvloop.run(serve())
    return 0 if server.started else EXIT_FAILED
