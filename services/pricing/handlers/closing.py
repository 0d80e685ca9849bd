"""Closing periods: a statement and its message, once all days of a period are sealed.

An opening statement is made in the same way, once all days before it are.
"""

from dataclasses import dataclass, field
from datetime import date
from heapq import heapify, heappop, heappush

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.issuing import Closing, close_next, waits_for
from services.pricing.repository import catalog, sealing, subscriptions
from shared.accounts.repository import Account

PERIODS_MAX = 2_400
"""Periods that one subscription closes in a row: two hundred years of months."""


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
    due = [_Due.of(row) for row in rows if row["tenant_id"] not in parked]
    if not due:
        return 0
    return await _close_all(connection, await Closing.begin(connection, account, through), due)


@dataclass(frozen=True, order=True)
class _Due:
    """The next statement of a subscription, in the order of closing: by the last day it needs."""

    needs: date
    subscription_id: str
    subscription: RowMapping = field(compare=False)

    @classmethod
    def of(cls, row: RowMapping) -> "_Due":
        needs = waits_for(row)
        assert needs is not None, "a subscription that is due has an open period"
        return cls(needs, row["subscription_id"], row)


async def _close_all(connection: AsyncConnection, closing: Closing, due: list[_Due]) -> int:
    """Close periods one by one; a subscription several months behind comes up again for each."""
    heapify(due)
    closed = 0
    for _ in range(len(due) * PERIODS_MAX):
        if not due:
            return closed
        following = await close_next(connection, closing, heappop(due).subscription)
        if following is None:
            continue
        closed += 1
        needs = waits_for(following)
        if needs is not None and needs <= closing.through:
            heappush(due, _Due.of(following))
    raise AssertionError("a subscription has no more periods than that")
