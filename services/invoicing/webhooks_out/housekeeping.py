"""What is kept for a time only: deliveries that ended, and events that nobody waits for."""

from dataclasses import dataclass
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.repository.webhook_deliveries import delete_finished, delete_told
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import delete_all, repeat

logger = structlog.get_logger()

DELIVERIES_KEPT = timedelta(days=30)
"""As long as a dead delivery can be replayed, and an attempt looked at."""

PERIOD_SECONDS = 3_600.0


@dataclass(frozen=True)
class WebhookHousekeeper:
    """Deletes what is too old. What still waits to be delivered is never too old."""

    database: Database
    clock: Clock

    async def run(self) -> None:
        """Delete until cancelled."""
        await repeat(PERIOD_SECONDS, self.delete_old)

    async def delete_old(self) -> int:
        """Delete deliveries that ended 30 days ago, then events without any; return how many."""
        before = self.clock.now() - DELIVERIES_KEPT

        async def deliveries(connection: AsyncConnection, limit: int) -> int:
            return await delete_finished(connection, before, limit=limit)

        async def events(connection: AsyncConnection, limit: int) -> int:
            return await delete_told(connection, before, limit=limit)

        deleted = await delete_all(self.database, deliveries)
        deleted += await delete_all(self.database, events)
        if deleted:
            logger.info("old_webhooks_deleted", rows=deleted)
        return deleted
