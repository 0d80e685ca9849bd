"""The SQL of meters: their versions, backfills and stored values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import RowMapping, func, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import meter, meter_backfill, meter_value, rollup, seal
from shared.accounts.repository import Account


async def list_additive_ids(
    connection: AsyncConnection, accounts: Sequence[tuple[str, str]]
) -> list[int]:
    """Return the ids of the accounts' additive meters."""
    query = select(meter.c.id).where(
        meter.c.is_additive, tuple_(meter.c.vendor_id, meter.c.mode).in_(accounts)
    )
    return list((await connection.execute(query.order_by(meter.c.id))).scalars())


async def read_meters(connection: AsyncConnection, ids: Sequence[int]) -> Sequence[RowMapping]:
    if not ids:
        return []
    query = select(meter).where(meter.c.id.in_(ids)).order_by(meter.c.id)
    return (await connection.execute(query)).mappings().all()


async def list_meters(
    connection: AsyncConnection, account: Account, name: str | None = None
) -> Sequence[RowMapping]:
    """Return the account's meters, or the versions of one, with `is_backfilled`."""
    query = (
        select(meter, meter_backfill.c.done_at.is_not(None).label("is_backfilled"))
        .outerjoin(meter_backfill, meter_backfill.c.meter_id == meter.c.id)
        .where(meter.c.vendor_id == account.vendor_id, meter.c.mode == account.mode)
        .order_by(meter.c.name, meter.c.version)
    )
    if name is not None:
        query = query.where(meter.c.name == name)
    return (await connection.execute(query)).mappings().all()


async def insert_meter(connection: AsyncConnection, values: Mapping[str, Any]) -> None:
    await connection.execute(meter.insert(), [dict(values)])


async def list_waiting_backfills(connection: AsyncConnection) -> Sequence[RowMapping]:
    """Return the additive meters whose past events are not counted, oldest first."""
    query = (
        select(meter)
        .outerjoin(meter_backfill, meter_backfill.c.meter_id == meter.c.id)
        .where(meter.c.is_additive, meter_backfill.c.meter_id.is_(None))
        .order_by(meter.c.id)
    )
    return (await connection.execute(query)).mappings().all()


async def claim_backfill(
    connection: AsyncConnection, meter_id: int, *, events: int, now: datetime
) -> bool:
    """Note a meter's backfill as done; false when it was done before."""
    values = {"meter_id": meter_id, "events": events, "done_at": now}
    written = insert(meter_backfill).values(values).on_conflict_do_nothing()
    result = await connection.execute(written.returning(meter_backfill.c.meter_id))
    return result.one_or_none() is not None


@dataclass(frozen=True)
class Span:
    """One tenant's billing period: `first` inclusive, `end` exclusive."""

    account: Account
    tenant_id: str
    first: date
    end: date


async def sum_kind(connection: AsyncConnection, span: Span, kind: str) -> tuple[Decimal, int]:
    """Return quantity and events of one kind over the usage days of a span."""
    query = select(
        func.coalesce(func.sum(rollup.c.quantity), 0),
        func.coalesce(func.sum(rollup.c.events), 0),
    ).where(
        rollup.c.vendor_id == span.account.vendor_id,
        rollup.c.mode == span.account.mode,
        rollup.c.tenant_id == span.tenant_id,
        rollup.c.kind == kind,
        rollup.c.usage_day >= span.first,
        rollup.c.usage_day < span.end,
    )
    quantity, events = (await connection.execute(query)).one()
    return Decimal(quantity), int(events)


@dataclass(frozen=True)
class SealedAt:
    """The offsets that a day was sealed at, and when."""

    offsets: dict[int, int]
    at: datetime


async def read_seal(connection: AsyncConnection, account: Account, day: date) -> SealedAt | None:
    """Return where a day was sealed; None while it is open."""
    query = select(seal.c.offsets, seal.c.sealed_at).where(
        seal.c.vendor_id == account.vendor_id, seal.c.mode == account.mode, seal.c.day == day
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return SealedAt({int(p): offset for p, offset in row.offsets.items()}, row.sealed_at)


async def read_value(
    connection: AsyncConnection, meter_id: int, span: Span, *, booked_before: date
) -> RowMapping | None:
    """Return the stored value of a meter over a sealed period."""
    query = select(meter_value).where(
        meter_value.c.meter_id == meter_id,
        meter_value.c.tenant_id == span.tenant_id,
        meter_value.c.period_start == span.first,
        meter_value.c.period_end == span.end,
        meter_value.c.booked_before == booked_before,
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def store_value(
    connection: AsyncConnection,
    meter_id: int,
    span: Span,
    *,
    booked_before: date,
    values: Mapping[str, Any],
) -> None:
    """Store a value for good; the first one stays."""
    keys: dict[str, Any] = {"meter_id": meter_id, "tenant_id": span.tenant_id}
    keys |= {"period_start": span.first, "period_end": span.end, "booked_before": booked_before}
    await connection.execute(
        insert(meter_value).values({**keys, **values}).on_conflict_do_nothing()
    )
