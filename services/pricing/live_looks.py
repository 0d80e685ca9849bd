"""Looks at open periods, one subscription after the other, with the newest values of meters."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.meter_readings import MeterLookup, ask_live, live_lookup
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database

logger = structlog.get_logger()

Found = TypeVar("Found")
Subscription = tuple[Account, str]


async def look_at_each(
    subscriptions: Iterable[Subscription], look: Callable[[Account, str], Awaitable[int]]
) -> int:
    """Return the sum of what the looks give; one that fails comes up again in the next round."""
    total = 0
    for account, subscription_id in subscriptions:
        try:
            total += await look(account, subscription_id)
        except Exception:
            # Nobody else waits for it.
            logger.exception("look_failed", subscription_id=subscription_id)
    return total


async def look_live(
    database: Database,
    clock: Clock,
    account: Account,
    look: Callable[[AsyncConnection, MeterLookup], Awaitable[Found]],
) -> Found:
    """Return what a look in one snapshot gives, and ask for the values of meters it lacked."""
    async with database.transaction("REPEATABLE READ") as connection:
        meters = await live_lookup(connection, account)
        found = await look(connection, meters)
    if meters.asked:
        async with database.transaction() as connection:
            await ask_live(connection, account, meters.asked, clock.now())
    return found
