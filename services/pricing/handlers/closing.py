"""Closing periods: a statement and its message, once all days of a period are sealed."""

from dataclasses import dataclass, field
from datetime import date
from heapq import heapify, heappop, heappush

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.issuing import Closing, close_period, open_period
from services.pricing.repository import sealing, subscriptions
from shared.accounts.repository import Account

PERIODS_MAX = 2_400
"""Periods that one subscription closes in a row: two hundred years of months."""


async def close_periods(
    connection: AsyncConnection, account: Account, partition: int, tenant_id: str | None = None
) -> int:
    """Rate every period of a partition's tenants that is due; return how many statements.

    The caller holds the closing lock of the partition. Parked tenants are left out. Statements are
    made in the order of (period end, subscription id): what credits pay does not depend on when
    days were sealed.
    """
    through = await sealing.read_sealed_through(connection, account, partition)
    if through is None:
        return 0
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
    """The next period of a subscription, in the order of closing."""

    period_end: date
    subscription_id: str
    subscription: RowMapping = field(compare=False)

    @classmethod
    def of(cls, row: RowMapping) -> "_Due":
        return cls(row["next_end"], row["subscription_id"], row)


async def _close_all(connection: AsyncConnection, closing: Closing, due: list[_Due]) -> int:
    """Close periods one by one; a subscription several months behind comes up again for each.

    The later periods of a tenant who waits for a value of a meter wait, too: their order decides
    what credits pay.
    """
    heapify(due)
    closed = 0
    for _ in range(len(due) * PERIODS_MAX):
        if not due:
            return closed
        subscription = heappop(due).subscription
        if subscription["tenant_id"] in closing.waiting:
            continue
        following = await close_period(connection, closing, subscription)
        if following is None:
            continue
        closed += 1
        period = open_period(following)
        if period is not None and period.last_day <= closing.through:
            heappush(due, _Due.of(following))
    raise AssertionError("a subscription has no more periods than that")
