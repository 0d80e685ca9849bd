"""Looks at the envelopes of every account once a round."""

from dataclasses import dataclass

import structlog

from services.pricing.handlers.envelopes.looking import look
from services.pricing.repository.envelopes import definitions
from services.pricing.repository.envelopes.reservations import settle
from services.pricing.repository.envelopes.spending import noted_watermark
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.housekeeping import repeat

LEADERSHIP = "pricing.envelopes"
logger = structlog.get_logger()


@dataclass(frozen=True)
class EnvelopeWatcher:
    """Notes what was spent and tells of it. One process of the service does it at a time."""

    database: Database
    clock: Clock
    interval_seconds: float

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.interval_seconds, self.look)

    async def look(self) -> int:
        """Look at the envelopes of every account; return how much was told."""
        async with self.database.leadership(LEADERSHIP) as leading:
            if not leading:
                return 0
            async with self.database.transaction() as connection:
                accounts = await definitions.accounts_with_envelopes(connection)
            return sum([await self._look_at(account) for account in accounts])

    async def _look_at(self, account: Account) -> int:
        """Look at one account; one that fails comes up again in the next round.

        What was committed ends once what was metered is noted: one of them counts at any time.
        """
        try:
            now = self.clock.now()
            async with self.database.transaction("REPEATABLE READ") as connection:
                told = await look(connection, account, now=now)
            async with self.database.transaction() as connection:
                watermark = await noted_watermark(connection, account)
                await settle(connection, account, now=now, watermark=watermark)
        except Exception:
            logger.exception("envelope_look_failed", vendor_id=account.vendor_id)
            return 0
        return told
