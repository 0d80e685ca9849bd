"""Looks at the spend of subscriptions with alerts, each with new usage once a round."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.spend_alerts import tell_crossed
from services.pricing.live_looks import look_at_each, look_live
from services.pricing.repository import spend_alerts
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import repeat

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
        return await look_at_each(found, self._look_at)

    async def _look_at(self, account: Account, subscription_id: str) -> int:
        async def look(connection: AsyncConnection, meters: MeterLookup) -> int:
            return await tell_crossed(connection, account, subscription_id, meters)

        return await look_live(self.database, self.clock, account, look)
