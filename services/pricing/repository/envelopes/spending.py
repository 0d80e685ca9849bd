"""What was spent of envelopes: noted by each look, and told once."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.envelope_tables import envelope_spend, envelope_told
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import usage_daily, usage_daily_by_user, usage_watermark
from shared.accounts.repository import Account


async def read_spent(
    connection: AsyncConnection, account: Account, names: Sequence[str]
) -> dict[tuple[str, str, date], RowMapping]:
    """Return what was noted, by (name, ledger, first day of the period)."""
    query = select(envelope_spend).where(
        owned(envelope_spend, account), envelope_spend.c.name.in_(list(names))
    )
    rows = (await connection.execute(query)).mappings().all()
    return {(row["name"], row["ledger"], row["period_start"]): row for row in rows}


async def note_spent(
    connection: AsyncConnection, account: Account, rows: Sequence[dict[str, Any]]
) -> None:
    """Note what was spent, in place of what was noted before."""
    if not rows:
        return
    written = insert(envelope_spend)
    values = [column.name for column in envelope_spend.c if not column.primary_key]
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(envelope_spend.primary_key.columns),
            set_={name: written.excluded[name] for name in values},
        ),
        [{**keys(account), **row} for row in rows],
    )


async def note_looked(connection: AsyncConnection, account: Account, *, now: datetime) -> None:
    """Note that a look found nothing new: what was noted today holds until now."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    await connection.execute(
        update(envelope_spend)
        .where(owned(envelope_spend, account), envelope_spend.c.looked_at >= midnight)
        .values(looked_at=now)
    )


async def read_told(
    connection: AsyncConnection, account: Account, periods: dict[str, date]
) -> set[tuple[str, str, str]]:
    """Return what is told of periods of envelopes: (name, ledger, share)."""
    told = envelope_told.c
    query = select(told.name, told.ledger, told.share).where(
        owned(envelope_told, account),
        tuple_(told.name, told.period_start).in_(list(periods.items())),
    )
    return {(row.name, row.ledger, row.share) for row in (await connection.execute(query)).all()}


async def noted_watermark(connection: AsyncConnection, account: Account) -> datetime | None:
    """Return up to when usage is noted: each look notes all envelopes under one watermark."""
    query = select(func.max(envelope_spend.c.watermark)).where(owned(envelope_spend, account))
    found: datetime | None = (await connection.execute(query)).scalar_one()
    return found


async def note_told(
    connection: AsyncConnection,
    account: Account,
    *,
    name: str,
    ledger: str,
    period_start: date,
    share: str,
) -> bool:
    """Note that a share is told of a period; False when it was before."""
    written = insert(envelope_told).values(
        **keys(account), name=name, ledger=ledger, period_start=period_start, share=share
    )
    made = await connection.execute(
        written.on_conflict_do_nothing().returning(envelope_told.c.share)
    )
    return made.first() is not None


async def feed_state(connection: AsyncConnection, account: Account) -> tuple[datetime | None, int]:
    """Return the newest watermark of an account's usage, and how many messages of it came."""
    query = select(
        func.max(usage_watermark.c.watermark), func.coalesce(func.sum(usage_watermark.c.changes), 0)
    ).where(owned(usage_watermark, account))
    watermark, changes = (await connection.execute(query)).one()
    return watermark, int(changes)


_DAY = ("tenant_id", "agent", "model", "kind", "purpose", "usage_day")


async def usage_by_day(
    connection: AsyncConnection, account: Account, *, start: date, end: date
) -> Sequence[RowMapping]:
    """Return all usage of days `[start, end)` with what its cost depends on."""
    columns = [
        *(usage_daily.c[name] for name in (*_DAY, "provider", "context_band", "service_tier")),
        *(usage_daily.c[name] for name in ("batch", "speed", "region", "status")),
    ]
    query = (
        select(*columns, func.sum(usage_daily.c.quantity).label("quantity"))
        .where(
            owned(usage_daily, account),
            usage_daily.c.usage_day >= start,
            usage_daily.c.usage_day < end,
        )
        .group_by(*columns)
    )
    return (await connection.execute(query)).mappings().all()


async def users_by_day(
    connection: AsyncConnection, account: Account, *, start: date, end: date
) -> Sequence[RowMapping]:
    """Return the same usage by team and user, without what its cost depends on."""
    columns = [usage_daily_by_user.c[name] for name in (*_DAY, "team", "user")]
    query = (
        select(*columns, func.sum(usage_daily_by_user.c.quantity).label("quantity"))
        .where(
            owned(usage_daily_by_user, account),
            usage_daily_by_user.c.usage_day >= start,
            usage_daily_by_user.c.usage_day < end,
        )
        .group_by(*columns)
    )
    return (await connection.execute(query)).mappings().all()
