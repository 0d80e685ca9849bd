"""The SQL of the API's answers: sums and statistics."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, Table, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import DateTime

from services.metering.domain.rollups import Rollup, Step
from services.metering.tables import counting_statistic, rollup, user_rollup
from shared.accounts.repository import Account

_TABLES = {"rollup": rollup, "user_rollup": user_rollup}
WINDOW_START = "window_start"


@dataclass(frozen=True)
class Window:
    """Whose usage, on which usage days: `first` inclusive, `end` exclusive."""

    account: Account
    tenant_id: str | None
    first: date
    end: date


@dataclass(frozen=True)
class Sums:
    """Sums of a rollup by some of its dimensions, in windows if `step` is set.

    `filters` name dimensions and the values that they may have.
    """

    rollup: Rollup
    dimensions: tuple[str, ...]
    step: Step | None = None
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)


async def sum_usage(
    connection: AsyncConnection, window: Window, sums: Sums, *, limit: int
) -> Sequence[RowMapping]:
    """Return the sums over all partitions by the API's names, in their order."""
    table = _TABLES[sums.rollup.table]
    columns = [table.c[sums.rollup.columns[name]].label(name) for name in sums.dimensions]
    if sums.step is not None:
        columns.insert(0, _window_start(table, sums.step).label(WINDOW_START))
    query = (
        select(
            *columns,
            func.sum(table.c.quantity).label("quantity"),
            func.sum(table.c.events).label("events"),
        )
        .where(*_conditions(table, window))
        .group_by(*(column.name for column in columns))
        .order_by(*(column.name for column in columns))
        .limit(limit)
    )
    for name, values in sums.filters.items():
        query = query.where(table.c[sums.rollup.columns[name]].in_(values))
    return (await connection.execute(query)).mappings().all()


def _conditions(table: Table, window: Window) -> list[ColumnElement[bool]]:
    conditions = [
        table.c.vendor_id == window.account.vendor_id,
        table.c.mode == window.account.mode,
        table.c.usage_day >= window.first,
        table.c.usage_day < window.end,
    ]
    if window.tenant_id is not None:
        conditions.append(table.c.tenant_id == window.tenant_id)
    return conditions


def _window_start(table: Table, step: Step) -> ColumnElement[Any]:
    day: ColumnElement[Any] = cast(table.c.usage_day, DateTime)
    if step == "month":
        day = func.date_trunc("month", day)
    if step == "hour":
        day = day + func.make_interval(0, 0, 0, 0, table.c.hour)
    return func.timezone("UTC", day)


async def read_statistics(connection: AsyncConnection, account: Account) -> RowMapping:
    """Return what the account has counted, seen again, replaced and rejected, for all time."""
    names = ("counted", "duplicates", "stale", "corrections", "rejected")
    sums = [func.coalesce(func.sum(counting_statistic.c[n]), 0).label(n) for n in names]
    query = select(*sums).where(
        counting_statistic.c.vendor_id == account.vendor_id,
        counting_statistic.c.mode == account.mode,
    )
    return (await connection.execute(query)).mappings().one()
