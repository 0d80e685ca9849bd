"""Changes of subscriptions: rows that are added, never touched again."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, RowMapping, Text, and_, cast, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Period
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import subscription, subscription_change
from shared.accounts.repository import Account


async def list_of(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> Sequence[RowMapping]:
    """Return the changes of a subscription, as they were made."""
    query = (
        select(subscription_change)
        .where(owned(subscription_change, account, subscription_id=subscription_id))
        .order_by(subscription_change.c.position)
    )
    return (await connection.execute(query)).mappings().all()


async def list_of_many(
    connection: AsyncConnection, account: Account, subscription_ids: Sequence[str]
) -> dict[str, list[RowMapping]]:
    """Return the same of many subscriptions, by id."""
    query = (
        select(subscription_change)
        .where(
            owned(subscription_change, account),
            subscription_change.c.subscription_id == func.any(cast(subscription_ids, ARRAY(Text))),
        )
        .order_by(subscription_change.c.position)
    )
    found: dict[str, list[RowMapping]] = {name: [] for name in subscription_ids}
    for row in (await connection.execute(query)).mappings():
        found[row["subscription_id"]].append(row)
    return found


async def add(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    values: dict[str, Any],
) -> RowMapping:
    """Add a change as the subscription's next one; the caller holds the closing lock."""
    counted = (
        update(subscription)
        .where(owned(subscription, account, subscription_id=subscription_id))
        .values(changes=subscription.c.changes + 1)
        .returning(subscription.c.changes)
    )
    position = await connection.scalar(counted)
    written = insert(subscription_change).values(
        **keys(account), subscription_id=subscription_id, position=position, **values
    )
    returned = await connection.execute(written.returning(subscription_change))
    row: RowMapping = returned.mappings().one()
    return row


async def set_end(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    last_day: date | None,
    period: Period | None,
) -> None:
    """Set the last day, and the open period as it is by that; None: it has ended."""
    await connection.execute(
        update(subscription)
        .where(owned(subscription, account, subscription_id=subscription_id))
        .values(
            last_day=last_day,
            next_start=period.start if period else None,
            next_end=period.end if period else None,
        )
    )


async def plans_to_come(connection: AsyncConnection, account: Account, book: str) -> set[str]:
    """Return the plans of a book that changes of running subscriptions name."""
    query = select(subscription_change.c.content["plan"].astext).where(_choice(account, book))
    return set((await connection.scalars(query.distinct())).all())


async def moving_to(
    connection: AsyncConnection, account: Account, book: str, *, end: date | None
) -> str | None:
    """Return a running subscription that a change puts on a book before `end`; None: ever."""
    query = select(subscription_change.c.subscription_id).where(_choice(account, book, end=end))
    if end is not None:
        query = query.where(subscription_change.c.effective_on < end)
    found: str | None = await connection.scalar(query.limit(1))
    return found


async def bound_to(
    connection: AsyncConnection, account: Account, book: str, *, version: int
) -> str | None:
    """Return a running subscription of which a change names a version, be it an earlier one."""
    named = subscription_change.c.content["price_version"].astext == str(version)
    query = select(subscription_change.c.subscription_id).where(_choice(account, book), named)
    found: str | None = await connection.scalar(query.limit(1))
    return found


def _choice(account: Account, book: str, *, end: date | None = None) -> ColumnElement[bool]:
    """Return the condition for choices of a book by subscriptions that run, by then already."""
    running = select(subscription.c.subscription_id).where(
        owned(subscription, account), subscription.c.next_start.is_not(None)
    )
    if end is not None:
        running = running.where(subscription.c.next_start < end)
    return and_(
        owned(subscription_change, account, kind="plan"),
        subscription_change.c.subscription_id.in_(running),
        subscription_change.c.content["price_book"].astext == book,
    )
