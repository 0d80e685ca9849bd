"""Closing periods: a statement and its message, once all days of a period are sealed."""

from datetime import date

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Period, period_from
from services.pricing.handlers.rating import rate_subscription, statement_of
from services.pricing.repository import sealing, statements, subscriptions
from shared.accounts.repository import Account
from shared.ids import new_id

logger = structlog.get_logger()

PERIODS_MAX = 2_400
"""Periods that one subscription closes in a row: two hundred years of months."""


async def close_periods(
    connection: AsyncConnection, account: Account, partition: int, tenant_id: str | None = None
) -> int:
    """Rate every period of a partition's tenants that is due; return how many statements.

    The caller holds the closing lock of the partition. Parked tenants are left out.
    """
    through = await sealing.read_sealed_through(connection, account, partition)
    if through is None:
        return 0
    parked = {row["tenant_id"] for row in await sealing.list_parked(connection, account)}
    due = await subscriptions.list_due(
        connection, account, partition=partition, sealed_through=through, tenant_id=tenant_id
    )
    closed = 0
    for subscription in due:
        if subscription["tenant_id"] not in parked:
            closed += await _close_subscription(connection, account, subscription, through)
    return closed


async def _close_subscription(
    connection: AsyncConnection, account: Account, subscription: RowMapping, through: date
) -> int:
    """Rate one subscription's due periods in their order, several months at once if need be."""
    current: RowMapping | None = subscription
    for closed in range(PERIODS_MAX):
        period = open_period(current) if current else None
        if current is None or period is None or period.last_day > through:
            return closed
        rated = await rate_subscription(connection, account, current, period)
        if rated is None:
            # No version is in force at the period's start: publishing one closes it.
            return closed
        statement = statement_of(account, rated, new_id())
        await statements.issue(connection, statement)
        logger.info(
            "statement_rated",
            vendor_id=account.vendor_id,
            tenant_id=statement.tenant_id,
            statement_id=statement.statement_id,
            period_start=statement.period_start.isoformat(),
            unrated=len(statement.unrated),
        )
        await subscriptions.advance(
            connection,
            account,
            statement.subscription_id,
            sequence=rated.sequence + 1,
            period=period_from(
                period.end, anchor_day=current["anchor_day"], ends_on=current["ends_on"]
            ),
        )
        current = await subscriptions.read(connection, account, statement.subscription_id)
    raise AssertionError("a subscription has no more periods than that")


def open_period(subscription: RowMapping) -> Period | None:
    """Return the first period that is not yet rated; None when the subscription has ended."""
    if subscription["next_start"] is None:
        return None
    return period_from(
        subscription["next_start"],
        anchor_day=subscription["anchor_day"],
        ends_on=subscription["ends_on"],
    )
