"""The SQL of one event's story: where its id is stored, its versions, its rejections."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl
from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import identities
from services.metering.tables import natural_duplicate, plain_identity, rejected, tenant_number
from services.metering.worker import identity
from shared.accounts.repository import Account

_ORDERED = re.compile(identity.ORDERED)
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class EventKey:
    """An event of a tenant by its canonical id, and the partition where that id belongs."""

    account: Account
    tenant_id: str
    event_id: str
    partition: int


async def read_tenant_number(connection: AsyncConnection, key: EventKey) -> int | None:
    """Return the tenant's number; None while nothing of it was ever counted."""
    query = select(tenant_number.c.number).where(
        tenant_number.c.vendor_id == key.account.vendor_id,
        tenant_number.c.mode == key.account.mode,
        tenant_number.c.tenant_id == key.tenant_id,
    )
    number: int | None = await connection.scalar(query)
    return number


async def read_identity(
    connection: AsyncConnection, key: EventKey, number: int
) -> dict[str, Any] | None:
    """Return where the first event of an id lies, and how it was booked."""
    if not _ORDERED.match(key.event_id):
        query = select(plain_identity).where(
            plain_identity.c.tenant_number == number, plain_identity.c.event_id == key.event_id
        )
        found = (await connection.execute(query)).mappings().one_or_none()
        return None if found is None else dict(found) | {"digest": int(found["digest"])}
    code = int(key.event_id.replace("-", ""), 16)
    high, low = code >> 64, code & (2**64 - 1)
    bucket = high >> (16 + identity.BUCKET_BITS)
    for *_, packed in await identities.read_segments(connection, [(key.partition, bucket)]):
        own = identity.unpack(packed).filter(
            pl.col("tenant_number") == number, pl.col("id_high") == high, pl.col("id_low") == low
        )
        for row in own.to_dicts():
            days = {n: _EPOCH + timedelta(days=row[n]) for n in ("usage_day", "booked_day")}
            return row | days
    return None


async def read_natural_duplicate(
    connection: AsyncConnection, key: EventKey, number: int
) -> RowMapping | None:
    """Return the owner of the response that this event reported again."""
    query = select(natural_duplicate).where(
        natural_duplicate.c.tenant_number == number, natural_duplicate.c.event_id == key.event_id
    )
    found: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return found


async def read_overlay(
    connection: AsyncConnection, key: EventKey, number: int
) -> dict[str, Any] | None:
    """Return the version that counts, if it is not the first."""
    rows = (await identities.read_overlays(connection, [(number, key.event_id)])).to_dicts()
    return rows[0] if rows else None


async def read_versions(
    connection: AsyncConnection, key: EventKey, number: int
) -> Sequence[RowMapping]:
    """Return the audit rows of an event, and of a correction of this id, in order."""
    target = (number, key.event_id)
    rows = await identities.read_corrections(connection, targets=[target], ids=[target])
    return [row._mapping for row in rows]  # noqa: SLF001 - the mapping of a row


async def read_rejections(
    connection: AsyncConnection, key: EventKey, *, limit: int
) -> Sequence[RowMapping]:
    """Return the newest rejections of an id; one id may have several beside a counted event."""
    query = select(rejected).where(
        rejected.c.vendor_id == key.account.vendor_id,
        rejected.c.mode == key.account.mode,
        rejected.c.tenant_id == key.tenant_id,
        rejected.c.event_id == key.event_id,
    )
    newest = query.order_by(rejected.c.rejected_at.desc()).limit(limit)
    rows: Sequence[RowMapping] = (await connection.execute(newest)).mappings().all()
    return rows
