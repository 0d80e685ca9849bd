"""Looks at spend again and again: each subscription with new usage once a round, at most."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.meter_readings import MeterLookup, live_lookup
from services.pricing.handlers.progressive import bill_crossed, has_crossed
from services.pricing.live_looks import look_at_each, look_live
from services.pricing.repository import progressive
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import repeat

LEADERSHIP = "pricing.progressive"
LOOKS_MAX = 1_000
"""Subscriptions of an account that one round looks at; the others wait for the next."""


@dataclass(frozen=True)
class ProgressiveBiller:
    """Invoices usage in mid-period. One process of the service does it at a time."""

    database: Database
    clock: Clock
    interval_seconds: float

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.interval_seconds, self.look)

    async def look(self) -> int:
        """Look at every subscription whose bill may be another; return how many were invoiced."""
        async with self.database.leadership(LEADERSHIP) as leading:
            return await self._look_at_all() if leading else 0

    async def _look_at_all(self) -> int:
        invoiced = 0
        async with self.database.transaction() as connection:
            accounts = await progressive.list_accounts(connection)
        for account in accounts:
            async with self.database.transaction() as connection:
                books = await progressive.books_with_thresholds(connection, account)
                names = await progressive.list_to_look_at(
                    connection, account, books, limit=LOOKS_MAX
                )
            invoiced += await look_at_each([(account, one) for one in names], self._look_at)
        return invoiced

    async def _look_at(self, account: Account, subscription_id: str) -> bool:
        async def look(connection: AsyncConnection, meters: MeterLookup) -> bool:
            return await has_crossed(connection, account, subscription_id, meters)

        if not await look_live(self.database, self.clock, account, look):
            return False
        async with self.database.transaction() as connection:
            meters = await live_lookup(connection, account)
            return await bill_crossed(connection, account, subscription_id, meters) is not None
