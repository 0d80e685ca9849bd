"""Subscriptions and the first period of each that is not yet rated."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Period
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import subscription
from shared.accounts.repository import Account


async def read(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> RowMapping | None:
    query = select(subscription).where(
        owned(subscription, account, subscription_id=subscription_id)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def list_of_tenant(
    connection: AsyncConnection, account: Account, tenant_id: str | None
) -> Sequence[RowMapping]:
    """Return the subscriptions of a tenant, or of all tenants, by id."""
    query = select(subscription).where(owned(subscription, account))
    if tenant_id is not None:
        query = query.where(subscription.c.tenant_id == tenant_id)
    query = query.order_by(subscription.c.subscription_id)
    return (await connection.execute(query)).mappings().all()


async def overlapping(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    *,
    starts_on: date,
    ends_on: date | None,
) -> str | None:
    """Return a subscription of the tenant that runs on one of the days; both ends inclusive."""
    query = select(subscription.c.subscription_id).where(
        owned(subscription, account, tenant_id=tenant_id),
        or_(subscription.c.ends_on.is_(None), subscription.c.ends_on >= starts_on),
    )
    if ends_on is not None:
        query = query.where(subscription.c.starts_on <= ends_on)
    found: str | None = await connection.scalar(query.limit(1))
    return found


async def create(connection: AsyncConnection, account: Account, values: dict[str, Any]) -> None:
    await connection.execute(insert(subscription).values(**keys(account), **values))


async def list_due(
    connection: AsyncConnection,
    account: Account,
    *,
    partition: int,
    sealed_through: date,
    tenant_id: str | None = None,
) -> Sequence[RowMapping]:
    """Return the subscriptions whose next period's last day is sealed, by tenant and id."""
    query = select(subscription).where(
        owned(subscription, account, topic_partition=partition),
        # next_end is exclusive: the last day is the one before.
        subscription.c.next_end - 1 <= sealed_through,
    )
    if tenant_id is not None:
        query = query.where(subscription.c.tenant_id == tenant_id)
    query = query.order_by(subscription.c.tenant_id, subscription.c.subscription_id)
    return (await connection.execute(query)).mappings().all()


async def advance(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    sequence: int,
    period: Period | None,
) -> None:
    """Set the next period to be rated; None when the subscription has ended."""
    await connection.execute(
        update(subscription)
        .where(owned(subscription, account, subscription_id=subscription_id))
        .values(
            next_sequence=sequence,
            next_start=period.start if period else None,
            next_end=period.end if period else None,
        )
    )
