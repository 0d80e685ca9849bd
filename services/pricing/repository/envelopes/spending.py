"""What was spent of envelopes: noted by each look, and told once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    Column,
    RowMapping,
    Select,
    Table,
    Text,
    any_,
    func,
    literal,
    select,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.envelope_tables import envelope_look, envelope_spend, envelope_told
from services.pricing.repository.selection import keys, owned
from services.pricing.tables import usage_daily, usage_daily_by_user, usage_watermark
from shared.accounts.repository import Account


class Watermarks(NamedTuple):
    """Up to when usage by day, and usage by run, is known; None: there was none yet."""

    usage: datetime | None
    runs: datetime | None


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


async def note_look(
    connection: AsyncConnection, account: Account, watermarks: Watermarks, *, now: datetime
) -> None:
    """Note that a look was had: all that is noted of envelopes holds for these watermarks."""
    values = {
        "watermark": watermarks.usage,
        "run_watermark": watermarks.runs,
        "looked_at": now,
    }
    written = insert(envelope_look).values(**keys(account), **values)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(envelope_look.primary_key.columns), set_=values
        )
    )


async def read_told(
    connection: AsyncConnection, account: Account, periods: dict[str, date]
) -> set[tuple[str, str, str]]:
    """Return what is told of periods of envelopes: (name, ledger, share)."""
    told = envelope_told.c
    query = select(told.name, told.ledger, told.share, told.period_start).where(
        owned(envelope_told, account),
        told.name == any_(literal(list(periods), ARRAY(Text))),
        told.period_start >= min(periods.values(), default=date.min),
    )
    rows = (await connection.execute(query)).all()
    return {
        (row.name, row.ledger, row.share) for row in rows if periods[row.name] == row.period_start
    }


async def noted_watermarks(connection: AsyncConnection, account: Account) -> Watermarks:
    """Return up to when usage is noted: each look notes all envelopes under the same ones."""
    columns = envelope_look.c.watermark, envelope_look.c.run_watermark
    query = select(*columns).where(owned(envelope_look, account))
    found = (await connection.execute(query)).first()
    return Watermarks(*found) if found else Watermarks(None, None)


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


@dataclass(frozen=True)
class Feed:
    """The usage of an account that came: its newest watermark, and by tenant how many messages."""

    watermark: datetime | None
    changes: Mapping[str, int]


async def read_feed(
    connection: AsyncConnection, account: Account, table: Table = usage_watermark
) -> Feed:
    """Return what usage came by now; of `run_feed`, what came by run."""
    query = select(table.c.tenant_id, table.c.watermark, table.c.changes)
    query = query.where(owned(table, account))
    rows = (await connection.execute(query)).all()
    newest = max((row.watermark for row in rows), default=None)
    return Feed(newest, {row.tenant_id: row.changes for row in rows})


_DAY = ("tenant_id", "agent", "model", "kind", "purpose", "usage_day")


async def usage_by_day(
    connection: AsyncConnection,
    account: Account,
    *,
    start: date,
    end: date,
    tenants: Sequence[str] | None,
) -> Sequence[RowMapping]:
    """Return all usage of days `[start, end)` with what its cost depends on; None: all tenants'."""
    columns = [
        *(usage_daily.c[name] for name in (*_DAY, "provider", "context_band", "service_tier")),
        *(usage_daily.c[name] for name in ("batch", "speed", "region", "status")),
    ]
    query = _sums(account, usage_daily, columns, (start, end), tenants)
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def users_by_day(
    connection: AsyncConnection,
    account: Account,
    *,
    start: date,
    end: date,
    tenants: Sequence[str] | None,
) -> Sequence[RowMapping]:
    """Return the same usage by team and user, without what its cost depends on."""
    columns = [usage_daily_by_user.c[name] for name in (*_DAY, "team", "user")]
    query = _sums(account, usage_daily_by_user, columns, (start, end), tenants)
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


def _sums(
    account: Account,
    table: Table,
    columns: Sequence[Column[Any]],
    days: tuple[date, date],
    tenants: Sequence[str] | None,
) -> Select[Any]:
    start, end = days
    query = (
        select(*columns, func.sum(table.c.quantity).label("quantity"))
        .where(owned(table, account), table.c.usage_day >= start, table.c.usage_day < end)
        .group_by(*columns)
    )
    if tenants is None:
        return query
    return query.where(table.c.tenant_id == any_(literal(list(tenants), ARRAY(Text))))
