"""Usage of the past by what a price can depend on, over many tenants."""

from datetime import date
from fractions import Fraction

from sqlalchemy import RowMapping, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.usage import DIMENSIONS, Usage
from services.pricing.repository.selection import owned
from services.pricing.tables import subscription, usage_daily
from shared.accounts.repository import Account


async def read_of_plan(
    connection: AsyncConnection,
    account: Account,
    book: str,
    plan: str,
    *,
    start: date,
    end: date,
    by_day: bool,
) -> list[Usage]:
    """Return what tenants with periods to come on a plan used, added up over all of them.

    Booked days are `[start, end)`. Unless `by_day`, `usage_day` is `start` for all rows.
    """
    dimensions = [usage_daily.c[name] for name in DIMENSIONS]
    if by_day:
        dimensions.append(usage_daily.c.usage_day)
    subscribed = select(subscription.c.tenant_id).where(
        owned(subscription, account, price_book=book, plan=plan),
        subscription.c.next_start.is_not(None),
    )
    total = func.sum(usage_daily.c.quantity)
    query = (
        select(*dimensions, total.label("quantity"))
        .where(
            owned(usage_daily, account),
            usage_daily.c.tenant_id.in_(subscribed),
            usage_daily.c.booked_day >= start,
            usage_daily.c.booked_day < end,
        )
        .group_by(*dimensions)
        .having(total != 0)
    )
    rows = (await connection.execute(query)).mappings()
    return [_usage(row, row["usage_day"] if by_day else start) for row in rows]


async def read_of_account(
    connection: AsyncConnection,
    account: Account,
    *,
    start: date,
    end: date,
    tenant_id: str | None = None,
) -> list[Usage]:
    """Return what was used on days `[start, end)`, added up over all tenants, or of one."""
    dimensions = [*(usage_daily.c[name] for name in DIMENSIONS), usage_daily.c.usage_day]
    total = func.sum(usage_daily.c.quantity)
    query = (
        select(*dimensions, total.label("quantity"))
        .where(
            owned(usage_daily, account),
            usage_daily.c.usage_day >= start,
            usage_daily.c.usage_day < end,
        )
        .group_by(*dimensions)
        .having(total != 0)
    )
    if tenant_id is not None:
        query = query.where(usage_daily.c.tenant_id == tenant_id)
    return [_usage(row, row["usage_day"]) for row in (await connection.execute(query)).mappings()]


def _usage(row: RowMapping, day: date) -> Usage:
    values = {name: row[name] for name in DIMENSIONS}
    values |= {"batch": str(row["batch"]).lower(), "quantity": Fraction(row["quantity"])}
    return Usage(**values, usage_day=day)
