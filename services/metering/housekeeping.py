"""What is kept for a time only: runs older than 90 days go, a few at a time."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.metering.repository.runs import delete_old_runs
from shared.clock import Clock
from shared.database import Database

logger = structlog.get_logger()

RUNS_KEPT = timedelta(days=90)
ROWS_PER_DELETION = 1_000
PERIOD_SECONDS = 600.0


@dataclass(frozen=True)
class Housekeeper:
    """Deletes what is too old."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Delete until cancelled."""
        while True:
            try:
                await self.delete_old_runs()
            except Exception:
                logger.exception("housekeeping_failed")
            await asyncio.sleep(PERIOD_SECONDS)

    async def delete_old_runs(self) -> int:
        """Delete every run whose last event is older than 90 days; return how many rows went."""
        before = self.clock.now() - RUNS_KEPT
        deleted = 0
        while True:
            async with self.database.transaction() as connection:
                some = await delete_old_runs(connection, before, limit=ROWS_PER_DELETION)
            deleted += some
            if some < ROWS_PER_DELETION:
                break
        if deleted:
            logger.info("old_runs_deleted", rows=deleted)
        return deleted
