"""Usage that came after its period was billed, and the ratings of periods that it led to."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Select, and_, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys, owned
from services.pricing.tables import (
    period_rating,
    price_version,
    statement,
    subscription,
    usage_daily,
)
from shared.accounts.repository import Account

BILLED = (
    *("statement_id", "tenant_id", "subscription_id", "sequence"),
    *("period_start", "period_end", "currency"),
)


@dataclass(frozen=True)
class Reading:
    """Who asks: the subscription on whose statement differences would stand, and up to when."""

    tenant_id: str
    subscription_id: str
    currency: str
    booked_before: date


async def tenants_with_late_usage(connection: AsyncConnection, account: Account) -> frozenset[str]:
    """Return the tenants of whom anything was ever booked on a later day than it was used."""
    query = select(usage_daily.c.tenant_id).where(owned(usage_daily, account), _is_late())
    return frozenset((await connection.scalars(query.distinct())).all())


async def list_to_rate_again(
    connection: AsyncConnection, account: Account, reading: Reading
) -> Sequence[RowMapping]:
    """Return the statements of closed periods for which usage came since they were last rated.

    Those of the subscription itself, and of subscriptions of the tenant that have ended and so
    have no next statement of their own; by period and subscription. `inside` tells whether any of
    it was used in the period; what was used earlier changes a level alone. What is booked from
    `seen` on is new.
    """
    mine = statement.c.subscription_id == reading.subscription_id
    inside = _came_since(reading.booked_before).label("inside")
    query = (
        _closed(account)
        .add_columns(inside, _seen().label("seen"))
        .where(
            statement.c.tenant_id == reading.tenant_id,
            statement.c.currency == reading.currency,
            statement.c.period_end <= reading.booked_before,
            or_(mine, subscription.c.next_start.is_(None)),
            _came_since(reading.booked_before, or_earlier=True),
        )
        .order_by(statement.c.period_start, statement.c.subscription_id)
    )
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def list_without_statement(
    connection: AsyncConnection, account: Account, *, limit: int
) -> Sequence[RowMapping]:
    """Return closed periods with late usage of tenants who have no subscription to bill it on.

    It would have to be in the currency of the period: a book keeps its currency over all versions,
    and a subscription keeps it over all books.
    """
    other, version = subscription.alias(), price_version
    paid_in_it = exists().where(
        *(version.c[name] == other.c[name] for name in ("vendor_id", "mode")),
        version.c.book == other.c.price_book,
        version.c.content["currency"].astext == statement.c.currency,
    )
    running = exists().where(
        *(other.c[name] == statement.c[name] for name in ("vendor_id", "mode")),
        other.c.tenant_id == statement.c.tenant_id,
        other.c.next_start.is_not(None),
        paid_in_it.correlate(other, statement),
    )
    query = (
        _closed(account)
        .where(subscription.c.next_start.is_(None), ~running, _came_since(None))
        .order_by(statement.c.period_start, statement.c.subscription_id)
        .limit(limit)
    )
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


def _closed(account: Account) -> Select[Any]:
    same = and_(
        *(statement.c[name] == subscription.c[name] for name in ("vendor_id", "mode")),
        statement.c.subscription_id == subscription.c.subscription_id,
    )
    columns = [statement.c[name] for name in BILLED]
    # An opening statement closes no period.
    return (
        select(*columns)
        .join(subscription, same)
        .where(owned(statement, account), statement.c.kind == "period")
    )


def _came_since(booked_before: date | None, *, or_earlier: bool = False) -> ColumnElement[bool]:
    """Tell whether usage of a statement's period (or an earlier day) came after its last rating."""
    found = exists().where(
        *(usage_daily.c[name] == statement.c[name] for name in ("vendor_id", "mode", "tenant_id")),
        _is_late(),
        usage_daily.c.usage_day < statement.c.period_end,
        usage_daily.c.booked_day >= _seen(),
    )
    if not or_earlier:
        found = found.where(usage_daily.c.usage_day >= statement.c.period_start)
    return found if booked_before is None else found.where(usage_daily.c.booked_day < booked_before)


def _seen() -> ColumnElement[date]:
    """Return the day before which what was booked is in the last rating of a statement's period.

    Every statement of a subscription takes up what was late by its end, so that is seen already.
    """
    mine, later = statement.alias(), period_rating
    billed_until = select(func.max(mine.c.period_end)).where(
        mine.c.kind == "period",
        *(mine.c[name] == statement.c[name] for name in ("vendor_id", "mode", "subscription_id")),
    )
    rated_until = select(func.max(later.c.booked_before)).where(
        *(
            later.c[name] == statement.c[name]
            for name in ("vendor_id", "mode", "subscription_id", "sequence")
        )
    )
    # Two levels down, SQLAlchemy does not find by itself which statement is meant.
    return func.greatest(
        billed_until.correlate(statement).scalar_subquery(),
        rated_until.correlate(statement).scalar_subquery(),
    )


def _is_late() -> ColumnElement[bool]:
    return usage_daily.c.usage_day < usage_daily.c.booked_day


async def read_last_rating(
    connection: AsyncConnection, account: Account, subscription_id: str, sequence: int
) -> RowMapping | None:
    """Return the last rating of a closed period; None while its statement says all there is."""
    query = (
        select(period_rating)
        .where(owned(period_rating, account, subscription_id=subscription_id, sequence=sequence))
        .order_by(period_rating.c.revision.desc())
        .limit(1)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def add_rating(connection: AsyncConnection, account: Account, values: dict[str, Any]) -> None:
    await connection.execute(insert(period_rating).values(**keys(account), **values))
