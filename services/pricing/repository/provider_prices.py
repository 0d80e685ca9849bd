"""Prices that vendors state themselves: appended, never changed."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

from sqlalchemy import RowMapping, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.cost_tables import provider_price
from services.pricing.domain.usage import Usage
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import usage_daily
from shared.accounts.repository import Account

COSTED_DIMENSIONS = (
    *("provider", "model", "kind", "context_band", "service_tier", "batch", "speed"),
    "usage_day",
)


async def append(
    connection: AsyncConnection, account: Account, rows: Sequence[Mapping[str, Any]]
) -> list[int]:
    """Append rows; return their positions in the same order."""
    positions = []
    for row in rows:
        written = insert(provider_price).values(**keys(account), **row)
        positions.append(await connection.scalar(written.returning(provider_price.c.position)))
    return positions


async def read_state(connection: AsyncConnection, account: Account) -> tuple[int, int]:
    """Return (newest position, number of rows), which change with every row that is appended."""
    query = select(func.coalesce(func.max(provider_price.c.position), 0), func.count())
    newest, rows = (await connection.execute(query.where(owned(provider_price, account)))).one()
    return int(newest), int(rows)


async def list_page(
    connection: AsyncConnection,
    account: Account,
    *,
    named: Mapping[str, str | None],
    after: int = 0,
    limit: int | None = None,
) -> Sequence[RowMapping]:
    """Return rows behind a position, in the order of writing; None in `named` accepts all."""
    stated = {name: value for name, value in named.items() if value is not None}
    query = (
        select(provider_price)
        .where(owned(provider_price, account, **stated), provider_price.c.position > after)
        .order_by(provider_price.c.position)
    )
    return (await connection.execute(query.limit(limit))).mappings().all()


async def read_recent_usage(
    connection: AsyncConnection, account: Account, *, days: int
) -> list[Usage]:
    """Return the usage of an account's last booked days by what its cost depends on.

    Agents, tenants and the rest are empty. The days are counted from the newest one back.
    """
    newest: date | None = await connection.scalar(
        select(func.max(usage_daily.c.booked_day)).where(owned(usage_daily, account))
    )
    if newest is None:
        return []
    dimensions = [usage_daily.c[name] for name in COSTED_DIMENSIONS]
    query = (
        select(*dimensions, func.sum(usage_daily.c.quantity).label("quantity"))
        .where(
            owned(usage_daily, account),
            usage_daily.c.booked_day > newest - timedelta(days=days),
        )
        .group_by(*dimensions)
    )
    return [_usage(row) for row in (await connection.execute(query)).mappings()]


def _usage(row: RowMapping) -> Usage:
    values = {name: row[name] for name in COSTED_DIMENSIONS}
    values |= {"batch": str(row["batch"]).lower(), "quantity": Fraction(row["quantity"])}
    return Usage(**values, agent="", region="", purpose="", status="")
