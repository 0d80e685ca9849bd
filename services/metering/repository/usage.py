"""The SQL of the API's answers: sums, the state of one event, statistics."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import RowMapping, Table, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import counting_statistic, event_identity, rejected
from shared.accounts.repository import Account


@dataclass(frozen=True)
class Window:
    """Whose usage, on which usage days: `first` inclusive, `end` exclusive."""

    account: Account
    tenant_id: str | None
    first: date
    end: date


async def sum_usage(
    connection: AsyncConnection,
    table: Table,
    window: Window,
    *,
    dimensions: Sequence[str],
    limit: int,
) -> Sequence[RowMapping]:
    """Return sums of a rollup by columns of it, over all partitions, in their order."""
    columns = [table.c[name] for name in dimensions]
    query = (
        select(
            *columns,
            func.sum(table.c.quantity).label("quantity"),
            func.sum(table.c.events).label("events"),
        )
        .where(
            table.c.vendor_id == window.account.vendor_id,
            table.c.mode == window.account.mode,
            table.c.usage_day >= window.first,
            table.c.usage_day < window.end,
        )
        .group_by(*columns)
        .order_by(*columns)
        .limit(limit)
    )
    if window.tenant_id is not None:
        query = query.where(table.c.tenant_id == window.tenant_id)
    return (await connection.execute(query)).mappings().all()


def _of_event(table: Table, account: Account, tenant_id: str, event_id: str) -> Any:
    return select(table).where(
        table.c.vendor_id == account.vendor_id,
        table.c.mode == account.mode,
        table.c.tenant_id == tenant_id,
        table.c.event_id == event_id,
    )


async def read_identity(
    connection: AsyncConnection, account: Account, tenant_id: str, event_id: str
) -> RowMapping | None:
    """Return where the event of a canonical id is counted."""
    query = _of_event(event_identity, account, tenant_id, event_id)
    found: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return found


async def read_rejections(
    connection: AsyncConnection, account: Account, tenant_id: str, event_id: str, *, limit: int
) -> Sequence[RowMapping]:
    """Return the newest rejections of an id; one id may have several beside a counted event."""
    query = _of_event(rejected, account, tenant_id, event_id)
    newest = query.order_by(rejected.c.rejected_at.desc()).limit(limit)
    rows: Sequence[RowMapping] = (await connection.execute(newest)).mappings().all()
    return rows


async def read_statistics(connection: AsyncConnection, account: Account) -> RowMapping:
    """Return what the account has counted, seen twice and rejected, since the beginning."""
    names = ("counted", "duplicates", "rejected")
    sums = [func.coalesce(func.sum(counting_statistic.c[n]), 0).label(n) for n in names]
    query = select(*sums).where(
        counting_statistic.c.vendor_id == account.vendor_id,
        counting_statistic.c.mode == account.mode,
    )
    return (await connection.execute(query)).mappings().one()
