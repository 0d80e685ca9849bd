"""Pricing's own copy of the counted usage: cumulative rows, the highest version wins."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import (
    ARRAY,
    Date,
    RowMapping,
    Table,
    Text,
    and_,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import Period
from services.pricing.domain.usage import Usage
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import (
    subscription,
    usage_daily,
    usage_daily_by_user,
    usage_watermark,
)
from shared.accounts.repository import Account
from shared.accounts.tables import tenant
from shared.events.usage_aggregated import UsageAggregated

RATED_DIMENSIONS = (
    "provider",
    "agent",
    "model",
    "kind",
    "context_band",
    "service_tier",
    "batch",
    "speed",
    "region",
    "purpose",
    "status",
    "usage_day",
)

DaySums = dict[str, tuple[int, Decimal]]
"""Kind → (rows, quantity)."""


async def store(connection: AsyncConnection, message: UsageAggregated) -> None:
    """Upsert a message's rows; an older version than the stored one changes nothing."""
    account = Account(message.vendor_id, message.mode)
    fixed = {**keys(account), "tenant_id": message.tenant_id, "version": message.version}
    rows = [{**fixed, **row.model_dump()} for row in message.rows]
    user_rows = [{**fixed, **row.model_dump()} for row in message.user_rows]
    await _upsert(connection, usage_daily, rows)
    await _upsert(connection, usage_daily_by_user, user_rows)
    written = insert(usage_watermark).values(
        **keys(account), tenant_id=message.tenant_id, watermark=message.watermark
    )
    latest = func.greatest(usage_watermark.c.watermark, written.excluded.watermark)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "tenant_id"],
            set_={"watermark": latest, "changes": usage_watermark.c.changes + 1},
        )
    )


async def _upsert(connection: AsyncConnection, table: Table, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    written = insert(table)
    newer = written.excluded
    statement = written.on_conflict_do_update(
        index_elements=list(table.primary_key.columns),
        set_={name: newer[name] for name in ("quantity", "events", "version")},
        where=table.c.version < newer.version,
    )
    await connection.execute(statement, rows)


async def read_watermark(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> datetime | None:
    """Return the instant up to which the tenant's events are in the copy."""
    query = select(usage_watermark.c.watermark).where(
        owned(usage_watermark, account, tenant_id=tenant_id)
    )
    watermark: datetime | None = await connection.scalar(query)
    return watermark


async def read_period(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    period: Period,
    *,
    booked_before: date | None = None,
    limit: int | None = None,
) -> list[Usage]:
    """Return what was used inside a period, by everything that a price can depend on.

    Only what is booked before a day (the period's end by default): what comes later is late. With a
    `limit` so many rows at most: whoever sets one asks whether there are more.
    """
    dimensions = [usage_daily.c[name] for name in RATED_DIMENSIONS]
    query = (
        select(*dimensions, func.sum(usage_daily.c.quantity))
        .where(
            owned(usage_daily, account, tenant_id=tenant_id),
            usage_daily.c.usage_day >= period.start,
            usage_daily.c.usage_day < period.end,
            usage_daily.c.booked_day < (booked_before or period.end),
        )
        .group_by(*dimensions)
        .limit(limit)
    )
    return [_usage(*row) for row in (await connection.execute(query)).all()]


async def read_periods(
    connection: AsyncConnection, account: Account, wanted: Mapping[str, tuple[str, Period]]
) -> dict[str, list[Usage]]:
    """Return what `read_period` would, for many at once: name → (tenant, period), name → usage.

    The names are the caller's own, such as the ids of subscriptions.
    """
    found: dict[str, list[Usage]] = {name: [] for name in wanted}
    columns = {
        "names": list(wanted),
        "tenants": [tenant_id for tenant_id, _ in wanted.values()],
        "starts": [period.start for _, period in wanted.values()],
        "ends": [period.end for _, period in wanted.values()],
    }
    rows = await connection.execute(_PERIODS, {**keys(account), **columns})
    for name, *dimensions, days, quantities in rows.all():
        found[name] += _usage_by_day(dimensions, days, quantities)
    return found


_SAME = ", ".join(name for name in RATED_DIMENSIONS if name != "usage_day")
_PERIODS = text(
    f"""
    select wanted.name, used.*
    from unnest(:names, :tenants, :starts, :ends) as wanted (name, tenant_id, starts_on, ends_on)
    cross join lateral (
        select {_SAME}, array_agg(usage_day), array_agg(quantity)
        from (
            select {_SAME}, usage_day, sum(quantity) as quantity
            from pricing.usage_daily
            where vendor_id = :vendor_id and mode = :mode and tenant_id = wanted.tenant_id
              and usage_day >= wanted.starts_on and usage_day < wanted.ends_on
              and booked_day < wanted.ends_on
            group by {_SAME}, usage_day
        ) by_day
        group by {_SAME}
    ) used
    """  # noqa: S608 - our own names
).bindparams(
    bindparam("names", type_=ARRAY(Text)),
    bindparam("tenants", type_=ARRAY(Text)),
    bindparam("starts", type_=ARRAY(Date)),
    bindparam("ends", type_=ARRAY(Date)),
)
"""Lateral: one look into the index for each tenant, never a walk through everybody's usage.

A row holds all days of what is alike: a tenth of the rows to carry, and to read.
"""


def _usage(*row: Any) -> Usage:
    """Return a row of `RATED_DIMENSIONS` and the quantity; they stand as the fields of `Usage`."""
    *dimensions, day, quantity = row
    (usage,) = _usage_by_day(dimensions, [day], [quantity])
    return usage


def _usage_by_day(
    dimensions: list[Any], days: Sequence[date], quantities: Sequence[Decimal]
) -> list[Usage]:
    """Return a row for each day, of what is alike in `RATED_DIMENSIONS` but for the day."""
    dimensions[_BATCH] = "true" if dimensions[_BATCH] else "false"
    return [
        Usage._make((*dimensions, day, Fraction(*quantity.as_integer_ratio()), None))
        for day, quantity in zip(days, quantities, strict=True)
    ]


_BATCH = RATED_DIMENSIONS.index("batch")


async def sums_of_day(
    connection: AsyncConnection, account: Account, day: date, *, tenant_id: str | None = None
) -> dict[str, DaySums]:
    """Return tenant → kind → (rows, quantity) of the copy for one booked day."""
    query = (
        select(
            usage_daily.c.tenant_id,
            usage_daily.c.kind,
            func.count(),
            func.sum(usage_daily.c.quantity),
        )
        .where(owned(usage_daily, account, booked_day=day))
        .group_by(usage_daily.c.tenant_id, usage_daily.c.kind)
    )
    if tenant_id is not None:
        query = query.where(usage_daily.c.tenant_id == tenant_id)
    sums: dict[str, DaySums] = {}
    for name, kind, rows, quantity in (await connection.execute(query)).all():
        sums.setdefault(name, {})[kind] = (rows, quantity)
    return sums


async def list_unsubscribed(
    connection: AsyncConnection, account: Account, *, limit: int
) -> Sequence[RowMapping]:
    """Return (tenant_id, first, last): days of usage, inclusive, that nothing will bill.

    It lies on days without a subscription. Tenants that are never billed are left out.
    """

    def of_the_tenant(table: Table) -> Any:
        names = ("vendor_id", "mode", "tenant_id")
        return and_(*(table.c[name] == usage_daily.c[name] for name in names))

    billed = exists().where(
        of_the_tenant(subscription),
        subscription.c.starts_on <= usage_daily.c.usage_day,
        or_(subscription.c.last_day.is_(None), subscription.c.last_day >= usage_daily.c.usage_day),
    )
    internal = exists().where(of_the_tenant(tenant), tenant.c.billing == "internal")
    query = (
        select(
            usage_daily.c.tenant_id,
            func.min(usage_daily.c.usage_day).label("first"),
            func.max(usage_daily.c.usage_day).label("last"),
        )
        .where(owned(usage_daily, account), usage_daily.c.quantity != 0, ~billed, ~internal)
        .group_by(usage_daily.c.tenant_id)
        .order_by(usage_daily.c.tenant_id)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()
