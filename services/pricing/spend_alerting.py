"""Looks at the spend of subscriptions with alerts, each with new usage once a round."""

from dataclasses import dataclass

import structlog

from services.pricing.handlers.meter_readings import ask_live, live_lookup
from services.pricing.handlers.spend_alerts import tell_crossed
from services.pricing.repository import spend_alerts
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import repeat

logger = structlog.get_logger()

LEADERSHIP = "pricing.spend_alerts"
LOOKS_MAX = 1_000
"""Subscriptions that one round looks at; the others wait for the next."""


@dataclass(frozen=True)
class SpendAlerter:
    """Tells of spend. One process of the service does it at a time."""

    database: Database
    clock: Clock
    interval_seconds: float

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.interval_seconds, self.look)

    async def look(self) -> int:
        """Look at every subscription whose spend may be another; return how much was told."""
        async with self.database.leadership(LEADERSHIP) as leading:
            return await self._look_at_all() if leading else 0

    async def _look_at_all(self) -> int:
        async with self.database.transaction() as connection:
            found = await spend_alerts.list_to_look_at(connection, limit=LOOKS_MAX)
        told = 0
        for account, subscription_id in found:
            try:
                told += await self._look_at(account, subscription_id)
            except Exception:
                # It comes up again in the next round; nobody else waits for it.
                logger.exception("look_failed", subscription_id=subscription_id)
        return told

    async def _look_at(self, account: Account, subscription_id: str) -> int:
        async with self.database.transaction("REPEATABLE READ") as connection:
            meters = await live_lookup(connection, account)
            told = await tell_crossed(connection, account, subscription_id, meters)
        if meters.asked:
            async with self.database.transaction() as connection:
                await ask_live(connection, account, meters.asked, self.clock.now())
        return told
