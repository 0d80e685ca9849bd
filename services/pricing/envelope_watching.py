"""Looks at the envelopes of every account once a round; a program that `EnvelopeProcess` runs."""

import asyncio
import os
import sys
from dataclasses import dataclass, field

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.envelopes.looking import Seen, look
from services.pricing.list_prices import list_prices
from services.pricing.repository.envelopes import definitions
from services.pricing.repository.envelopes.reservations import accounts_with_live_ones, settle
from services.pricing.repository.envelopes.spending import noted_watermarks
from shared.accounts.repository import Account
from shared.clock import Clock, SystemClock
from shared.database import Database
from shared.garbage import collect_rarely
from shared.housekeeping import repeat
from shared.logging import configure_logging

LEADERSHIP = "pricing.envelopes"
CONNECTIONS = 2
"""One holds the lock, the other one looks."""
NICENESS = 10
"""Whoever reserves goes first where processors are few."""
logger = structlog.get_logger()


async def accounts_to_look_at(connection: AsyncConnection) -> set[Account]:
    """Return the accounts that have an envelope, or a reservation that is alive."""
    accounts = await definitions.accounts_with_envelopes(connection)
    return accounts | await accounts_with_live_ones(connection)


@dataclass(frozen=True)
class EnvelopeWatcher:
    """Notes what was spent and tells of it. One process of the service does it at a time.

    What it noted it remembers, so that a look reads what changed since. Another process that looks
    in between does no harm: it notes the same, or what came later.
    """

    database: Database
    clock: Clock
    interval_seconds: float
    _seen: dict[Account, Seen] = field(default_factory=dict, init=False, repr=False)

    async def run(self) -> None:
        """Look until cancelled."""
        await repeat(self.interval_seconds, self.look)

    async def look(self) -> int:
        """Look at the envelopes of every account; return how much was told.

        An account without envelopes is looked at as long as a reservation of it is alive.
        """
        async with self.database.leadership(LEADERSHIP) as leading:
            if not leading:
                return 0
            async with self.database.transaction() as connection:
                accounts = await accounts_to_look_at(connection)
            ordered = sorted(accounts, key=lambda one: (one.vendor_id, one.mode))
            return sum([await self._look_at(account) for account in ordered])

    async def _look_at(self, account: Account) -> int:
        """Look at one account; one that fails comes up again in the next round, as if unseen.

        What was committed ends once what was metered is noted: one of them counts at any time.
        """
        seen = self._seen.pop(account, Seen())
        try:
            now = self.clock.now()
            async with self.database.transaction("REPEATABLE READ") as connection:
                looked = await look(connection, account, seen, now=now)
            self._seen[account] = looked.seen
            async with self.database.transaction() as connection:
                noted = await noted_watermarks(connection, account)
                await settle(connection, account, noted, now=now)
        except Exception:
            logger.exception("envelope_look_failed", vendor_id=account.vendor_id)
            return 0
        return looked.told


async def watch(url: str, interval_seconds: float) -> None:
    """Look until the standard input ends: whoever started this program is gone then."""
    database = Database(url, connections=CONNECTIONS)
    watcher = EnvelopeWatcher(database, SystemClock(), interval_seconds)
    looking = asyncio.create_task(watcher.run())
    try:
        await _until_alone()
    finally:
        looking.cancel()
        await asyncio.wait([looking])
        await database.close()


async def _until_alone() -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


def main() -> None:
    """Watch the database that the environment names, so many seconds between two looks."""
    seconds = float(sys.argv[1])
    configure_logging("pricing-envelopes", "json")
    os.nice(NICENESS)
    list_prices()
    collect_rarely()
    asyncio.run(watch(os.environ["TALLYROLL_PRICING_DATABASE_URL"], seconds))


if __name__ == "__main__":
    main()
