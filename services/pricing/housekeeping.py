"""What is kept for a time only: idempotency keys and live values go after 30 days."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog

from services.pricing.repository.idempotency import delete_older
from services.pricing.repository.meter_values import forget_live
from shared.clock import Clock
from shared.database import Database

logger = structlog.get_logger()

KEYS_KEPT = timedelta(days=30)
"""A write that is sent again later is a new one. The database refuses to forget it sooner."""

LIVE_VALUES_KEPT = timedelta(days=30)
"""Since somebody last looked at them: the value that is billed is another row."""

ROWS_PER_DELETION = 1_000
PERIOD_SECONDS = 3_600.0


@dataclass(frozen=True)
class Housekeeper:
    """Deletes what is too old."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Delete until cancelled."""
        while True:
            try:
                await self.delete_old_keys()
                await self.forget_live_values()
            except Exception:
                logger.exception("housekeeping_failed")
            await asyncio.sleep(PERIOD_SECONDS)

    async def delete_old_keys(self) -> int:
        """Delete every idempotency key older than 30 days; return how many."""
        before = self.clock.now() - KEYS_KEPT
        deleted = 0
        while True:
            async with self.database.transaction() as connection:
                some = await delete_older(connection, before, limit=ROWS_PER_DELETION)
            deleted += some
            if some < ROWS_PER_DELETION:
                break
        if deleted:
            logger.info("old_idempotency_keys_deleted", rows=deleted)
        return deleted

    async def forget_live_values(self) -> int:
        """Delete some live values that nobody looks at any more; return how many."""
        before = self.clock.now() - LIVE_VALUES_KEPT
        async with self.database.transaction() as connection:
            return await forget_live(connection, before, limit=ROWS_PER_DELETION)
