"""Usage of the past by what a price can depend on, over many tenants."""

from datetime import date
from fractions import Fraction

from sqlalchemy import func, select
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
    found = []
    for row in (await connection.execute(query)).mappings():
        values = {name: row[name] for name in DIMENSIONS}
        values |= {"batch": str(row["batch"]).lower(), "quantity": Fraction(row["quantity"])}
        found.append(Usage(**values, usage_day=row["usage_day"] if by_day else start))
    return found
