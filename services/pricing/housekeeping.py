"""What is kept for a time only: keys and live values, reservations, and runs, as is set."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.envelopes import reservations
from services.pricing.repository.idempotency import delete_older
from services.pricing.repository.meter_values import forget_live
from services.pricing.repository.runs.storing import delete_old
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import delete_all, repeat

logger = structlog.get_logger()

KEYS_KEPT = timedelta(days=30)
"""A write that is sent again later is a new one. The database refuses to forget it sooner."""

LIVE_VALUES_KEPT = timedelta(days=30)
"""Since somebody last looked at them: the value that is billed is another row."""

RESERVATIONS_KEPT = timedelta(days=90)
"""Since the last thing that was done with one that is over; its log goes with it. The database
refuses to forget an entry of 89 days."""

PERIOD_SECONDS = 3_600.0


@dataclass(frozen=True)
class Housekeeper:
    """Deletes what is too old."""

    database: Database
    clock: Clock
    runs_kept: timedelta

    async def run(self) -> None:
        """Delete until cancelled."""
        jobs = (
            self.delete_old_keys,
            self.forget_live_values,
            self.delete_old_reservations,
            self.delete_old_runs,
        )
        await repeat(PERIOD_SECONDS, *jobs)

    async def delete_old_keys(self) -> int:
        """Delete every idempotency key older than 30 days; return how many."""
        before = self.clock.now() - KEYS_KEPT

        async def delete(connection: AsyncConnection, limit: int) -> int:
            return await delete_older(connection, before, limit=limit)

        deleted = await delete_all(self.database, delete)
        if deleted:
            logger.info("old_idempotency_keys_deleted", rows=deleted)
        return deleted

    async def forget_live_values(self) -> int:
        """Delete every live value that nobody looks at any more; return how many."""
        before = self.clock.now() - LIVE_VALUES_KEPT

        async def delete(connection: AsyncConnection, limit: int) -> int:
            return await forget_live(connection, before, limit=limit)

        return await delete_all(self.database, delete)

    async def delete_old_runs(self) -> int:
        """Delete runs whose last event is too old; return how many of their parts went."""
        before = self.clock.now() - self.runs_kept

        async def delete(connection: AsyncConnection, limit: int) -> int:
            return await delete_old(connection, before, limit=limit)

        deleted = await delete_all(self.database, delete)
        if deleted:
            logger.info("old_runs_deleted", rows=deleted)
        return deleted

    async def delete_old_reservations(self) -> int:
        """Delete every reservation that has been over for 90 days; return how many."""
        before = self.clock.now() - RESERVATIONS_KEPT

        async def delete(connection: AsyncConnection, limit: int) -> int:
            return await reservations.delete_older(connection, before, limit=limit)

        deleted = await delete_all(self.database, delete)
        if deleted:
            logger.info("old_reservations_deleted", rows=deleted)
        return deleted
