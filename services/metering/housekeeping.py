"""What is kept for a time only: runs older than 90 days go."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository.runs import delete_old_runs
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import delete_all, repeat

logger = structlog.get_logger()

RUNS_KEPT = timedelta(days=90)
PERIOD_SECONDS = 600.0


@dataclass(frozen=True)
class Housekeeper:
    """Deletes what is too old."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Delete until cancelled."""
        await repeat(PERIOD_SECONDS, self.delete_old_runs)

    async def delete_old_runs(self) -> int:
        """Delete every run whose last event is older than 90 days; return how many rows went."""
        before = self.clock.now() - RUNS_KEPT

        async def delete(connection: AsyncConnection, limit: int) -> int:
            return await delete_old_runs(connection, before, limit=limit)

        deleted = await delete_all(self.database, delete)
        if deleted:
            logger.info("old_runs_deleted", rows=deleted)
        return deleted
