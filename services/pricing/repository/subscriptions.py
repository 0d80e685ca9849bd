"""Subscriptions and the first period of each that is not yet rated."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, and_, bindparam, exists, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Period
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import price_version, subscription, subscription_change
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


async def list_of_tenants(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> Sequence[RowMapping]:
    """Return the subscriptions of some tenants, by id."""
    query = (
        select(subscription)
        .where(owned(subscription, account), subscription.c.tenant_id.in_(tenant_ids))
        .order_by(subscription.c.subscription_id)
    )
    return (await connection.execute(query)).mappings().all()


async def list_page(
    connection: AsyncConnection, account: Account, tenant_id: str | None, *, after: str, limit: int
) -> Sequence[RowMapping]:
    """Return subscriptions of a tenant, or of all tenants, behind an id."""
    query = select(subscription).where(
        owned(subscription, account), subscription.c.subscription_id > after
    )
    if tenant_id is not None:
        query = query.where(subscription.c.tenant_id == tenant_id)
    query = query.order_by(subscription.c.subscription_id).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def share(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    *,
    starts_on: date,
    ends_on: date | None,
    beside: str,
) -> bool:
    """Mark the tenant's subscriptions that run on one of the days (both ends inclusive).

    Return whether there are any beside that one; alone it shares with nobody. The caller holds the
    closing lock.
    """
    query = select(subscription.c.subscription_id).where(
        owned(subscription, account, tenant_id=tenant_id),
        or_(subscription.c.last_day.is_(None), subscription.c.last_day >= starts_on),
    )
    if ends_on is not None:
        query = query.where(subscription.c.starts_on <= ends_on)
    found = set((await connection.scalars(query)).all())
    if not found - {beside}:
        return False
    marked = update(subscription).where(
        owned(subscription, account), subscription.c.subscription_id.in_(sorted(found))
    )
    await connection.execute(marked.values(shares=True))
    return True


async def sharing_tenants(connection: AsyncConnection, account: Account, book: str) -> set[str]:
    """Return the tenants with several subscriptions of which a running one may be on a book."""
    query = select(subscription.c.tenant_id).where(
        _running_on(account, book), subscription.c.shares.is_(True)
    )
    return set((await connection.scalars(query)).all())


async def list_running(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    named: Sequence[str] | None,
    after: str | None,
    limit: int,
) -> Sequence[RowMapping]:
    """Return running subscriptions that are, were or will be on a book, by id, after one."""
    query = select(subscription).where(_running_on(account, book))
    if named is not None:
        query = query.where(subscription.c.subscription_id.in_(named))
    if after is not None:
        query = query.where(subscription.c.subscription_id > after)
    query = query.order_by(subscription.c.subscription_id).limit(limit)
    return (await connection.execute(query)).mappings().all()


async def list_with_overrides(
    connection: AsyncConnection, account: Account, book: str
) -> Sequence[RowMapping]:
    """Return running subscriptions that may be on a book, and with whom something is agreed."""
    agreed = exists().where(
        owned(subscription_change, account, kind="overrides"),
        subscription_change.c.subscription_id == subscription.c.subscription_id,
    )
    query = select(subscription).where(_running_on(account, book), agreed)
    query = query.order_by(subscription.c.subscription_id)
    return (await connection.execute(query)).mappings().all()


def _running_on(account: Account, book: str) -> ColumnElement[bool]:
    changed = exists().where(
        owned(subscription_change, account),
        subscription_change.c.subscription_id == subscription.c.subscription_id,
        subscription_change.c.content["price_book"].astext == book,
    )
    return and_(
        owned(subscription, account),
        subscription.c.next_start.is_not(None),
        or_(subscription.c.price_book == book, changed),
    )


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
    """Return the subscriptions that a statement is due of, by tenant and id.

    The last day of the next period is sealed, or the day before the first that is charged.
    """
    after = sealed_through + timedelta(days=1)
    query = select(subscription).where(
        owned(subscription, account, topic_partition=partition),
        subscription.c.next_end.is_not(None),
        or_(subscription.c.next_end <= after, _opens_by(after)),
    )
    if tenant_id is not None:
        query = query.where(subscription.c.tenant_id == tenant_id)
    query = query.order_by(subscription.c.tenant_id, subscription.c.subscription_id)
    return (await connection.execute(query)).mappings().all()


def _opens_by(day: date) -> ColumnElement[bool]:
    """Return the condition for an opening of the open period that is due by a day."""
    opens_on = subscription.c.opens_on
    return and_(opens_on <= day, opens_on < subscription.c.next_end)


async def skip_openings(
    connection: AsyncConnection,
    account: Account,
    *,
    partition: int,
    sealed_through: date,
    in_advance: frozenset[str],
) -> None:
    """Let subscriptions that are due to open go without, where their book has no fees in advance.

    One that has changed may be on another book by then: it is looked at on its own.
    """
    priced = exists().where(
        owned(price_version, account),
        price_version.c.book == subscription.c.price_book,
        price_version.c.effective_on <= subscription.c.opens_on,
    )
    await connection.execute(
        update(subscription)
        .where(
            owned(subscription, account, topic_partition=partition, changes=0),
            _opens_by(sealed_through + timedelta(days=1)),
            subscription.c.price_book.not_in(list(in_advance)),
            priced,
        )
        .values(opens_on=None)
    )


@dataclass(frozen=True)
class Advance:
    """What comes after a statement: the next period to be rated, and its number; None: the end.

    `opens_on` is the first day charged, while its opening is yet to be made; `charged_by` the
    statement that charged the period's fees in advance, if one did.
    """

    subscription_id: str
    sequence: int
    period: Period | None
    opens_on: date | None
    charged_by: str | None


async def advance(
    connection: AsyncConnection, account: Account, advances: Sequence[Advance]
) -> None:
    """Set the next period of each subscription."""
    moved = (
        update(subscription)
        .where(owned(subscription, account, subscription_id=bindparam("moved")))
        .values(
            next_sequence=bindparam("to_sequence"),
            next_start=bindparam("to_start"),
            next_end=bindparam("to_end"),
            opens_on=bindparam("to_open"),
            charged_by=bindparam("to_charged_by"),
        )
    )
    rows = [
        {
            "moved": one.subscription_id,
            "to_sequence": one.sequence,
            "to_start": one.period.start if one.period else None,
            "to_end": one.period.end if one.period else None,
            "to_open": one.opens_on,
            "to_charged_by": one.charged_by,
        }
        for one in advances
    ]
    if rows:
        await connection.execute(moved, rows)
