"""Closing periods: a statement and its message, once all days of a period are sealed.

An opening statement is made in the same way, once all days before it are.
"""

from heapq import heapify, heappush

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.closing_together import close_some
from services.pricing.handlers.due import Due, take_next, waits_for
from services.pricing.handlers.issuing import Closing
from services.pricing.repository import catalog, sealing, subscriptions
from shared.accounts.repository import Account

PERIODS_MAX = 2_400
"""Periods that one subscription closes in a row: two hundred years of months."""

TOGETHER_MAX = 100
"""Periods whose usage is in memory at once."""


async def close_periods(
    connection: AsyncConnection, account: Account, partition: int, tenant_id: str | None = None
) -> int:
    """Rate every period of a partition's tenants that is due; return how many were closed.

    The caller holds the closing lock of the partition. Parked tenants are left out. Statements are
    made in the order of (period end, subscription id): what credits pay does not depend on when
    days were sealed.
    """
    through = await sealing.read_sealed_through(connection, account, partition)
    if through is None:
        return 0
    books = await catalog.books_in_advance(connection, account)
    await subscriptions.skip_openings(
        connection, account, partition=partition, sealed_through=through, in_advance=books
    )
    parked = {row["tenant_id"] for row in await sealing.list_parked(connection, account)}
    rows = await subscriptions.list_due(
        connection, account, partition=partition, sealed_through=through, tenant_id=tenant_id
    )
    due = [Due.of(row) for row in rows if row["tenant_id"] not in parked]
    if not due:
        return 0
    closing = await Closing.begin(connection, account, through, books)
    return await _close_all(connection, closing, due)


async def _close_all(connection: AsyncConnection, closing: Closing, due: list[Due]) -> int:
    """Close periods in their order; a subscription several months behind comes up for each.

    The later periods of a tenant who waits for a value of a meter wait, too: their order decides
    what credits pay.
    """
    heapify(due)
    closed = 0
    for _ in range(len(due) * PERIODS_MAX):
        if not due:
            return closed
        made = await close_some(connection, closing, take_next(due, limit=TOGETHER_MAX))
        closed += len(made)
        for following in made:
            end = following.period.end if following.period else None
            needs = waits_for(following.opens_on, end)
            if needs is not None and needs <= closing.through:
                row = await subscriptions.read(
                    connection, closing.account, following.subscription_id
                )
                assert row is not None, "a subscription with statements stays"
                heappush(due, Due.of(row))
    raise AssertionError("a subscription has no more periods than that")
