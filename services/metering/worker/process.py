"""The process that counts."""

import asyncio
import os

import structlog

from services.metering.archive.lookup import EventLookup
from services.metering.archive.storage import ArchiveStorage
from services.metering.running import (
    EXIT_FAILED,
    EXIT_REJECTING,
    EXIT_STALLED,
    on_termination,
    open_database,
)
from services.metering.settings import MeteringSettings
from services.metering.worker.loop import Worker
from services.metering.worker.rejection_limit import RejectionLimitError
from services.metering.worker.watchdog import StalledError
from shared.clock import SystemClock

logger = structlog.get_logger()


def _worker_limits(settings: MeteringSettings) -> dict[str, str]:
    """Return how long a worker may hold rows that others wait for.

    A worker that is frozen inside a transaction keeps its locks: Postgres ends its session, so that
    whoever takes its partitions over can count.
    """
    return {"transaction_timeout": str(int(settings.worker_transaction_seconds * 1000))}


def exit_code(error: BaseException) -> int:
    """Return the exit code that tells an operator why a worker ended."""
    if isinstance(error, BaseExceptionGroup):
        return max(exit_code(inner) for inner in error.exceptions)
    codes: dict[type[BaseException], int] = {
        StalledError: EXIT_STALLED,
        RejectionLimitError: EXIT_REJECTING,
    }
    return codes.get(type(error), EXIT_FAILED)


def run_worker(settings: MeteringSettings) -> int:
    """Count until SIGTERM. Any failure ends the process at once: the outcome may be unknown."""

    async def count() -> None:
        database = open_database(settings, server_settings=_worker_limits(settings))
        try:
            storage = ArchiveStorage.open(settings.archive_url)
            originals = EventLookup(settings.kafka_bootstrap, database, storage)
            worker = Worker(settings, database, SystemClock(), originals=originals)
            on_termination(worker.stop)
            await worker.run()
        except BaseException as error:
            code = exit_code(error)
            logger.exception("worker_failed", exit_code=code)
            os._exit(code)
        await database.close()

    asyncio.run(count())
    return 0
