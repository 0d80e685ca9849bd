"""Seals as they arrive in parts, and how far a partition is sealed without a gap."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import RowMapping, delete, exists, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys, owned
from services.pricing.tables import parked_tenant, seal_part, sealed_day, sealed_through
from shared.accounts.repository import Account
from shared.events.usage_aggregated import DaySealed, TenantDay

PARTITION = ("vendor_id", "mode", "topic_partition")


async def store_part(connection: AsyncConnection, message: DaySealed, partition: int) -> None:
    """Store one part; a part that came before is left as it is."""
    written = insert(seal_part).values(
        **keys(Account(message.vendor_id, message.mode)),
        topic_partition=partition,
        day=message.day,
        version=message.version,
        part=message.part,
        parts=message.parts,
        tenants=[tenant.model_dump(mode="json") for tenant in message.tenants],
    )
    await connection.execute(written.on_conflict_do_nothing())


async def read_complete(
    connection: AsyncConnection, account: Account, *, partition: int, day: date, version: int
) -> list[TenantDay] | None:
    """Return the tenants of a seal; None while parts of it are missing."""
    query = select(seal_part.c.parts, seal_part.c.tenants).where(
        owned(seal_part, account, topic_partition=partition, day=day, version=version)
    )
    parts = (await connection.execute(query)).all()
    if not parts or len(parts) < parts[0].parts:
        return None
    return [TenantDay.model_validate(tenant) for part in parts for tenant in part.tenants]


async def store_sealed_day(connection: AsyncConnection, message: DaySealed, partition: int) -> bool:
    """Record a complete seal; False when a newer one of that day is known."""
    written = insert(sealed_day).values(
        **keys(Account(message.vendor_id, message.mode)),
        topic_partition=partition,
        day=message.day,
        version=message.version,
        recount=message.recount,
    )
    newer = {"version": written.excluded.version, "recount": written.excluded.recount}
    result = await connection.execute(
        written.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "topic_partition", "day"],
            set_=newer,
            where=sealed_day.c.version <= written.excluded.version,
        ).returning(sealed_day.c.day)
    )
    return result.first() is not None


async def read_sealed_through(
    connection: AsyncConnection, account: Account, partition: int
) -> date | None:
    """Return the last day up to which nothing changes any more; None before the first seal."""
    query = select(sealed_through.c.day).where(
        owned(sealed_through, account, topic_partition=partition)
    )
    through: date | None = await connection.scalar(query)
    return through


async def advance_sealed_through(
    connection: AsyncConnection,
    account: Account,
    *,
    partition: int,
    first_day: date,
    accepted: Iterable[str],
) -> date:
    """Move over the days that follow without a gap and whose recount is accepted.

    `first_day` is the account's first sealed day: before it there was no usage. A seal that was
    lost since then, the first ones included, is a gap.
    """
    known = await read_sealed_through(connection, account, partition)
    through = known or first_day - timedelta(days=1)
    query = (
        select(sealed_day.c.day)
        .where(
            owned(sealed_day, account, topic_partition=partition),
            sealed_day.c.day > through,
            sealed_day.c.recount.in_(list(accepted)),
        )
        .order_by(sealed_day.c.day)
    )
    for day in (await connection.scalars(query)).all():
        if day != through + timedelta(days=1):
            break
        through = day
    written = insert(sealed_through).values(**keys(account), topic_partition=partition, day=through)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "topic_partition"], set_={"day": through}
        )
    )
    return through


async def park(
    connection: AsyncConnection,
    account: Account,
    *,
    day: date,
    tenant_id: str,
    expected: dict[str, Any],
    found: dict[str, Any],
) -> None:
    """Park a tenant for a day whose copy is not what the seal says."""
    values = {"reason": "usage_differs_from_seal", "expected": expected, "found": found}
    written = insert(parked_tenant).values(**keys(account), tenant_id=tenant_id, day=day, **values)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "tenant_id", "day"], set_=values
        )
    )


async def unpark(
    connection: AsyncConnection, account: Account, *, day: date, tenants: Iterable[str]
) -> list[str]:
    """Release tenants whose day agrees; return those that were parked for it."""
    released = await connection.scalars(
        delete(parked_tenant)
        .where(
            owned(parked_tenant, account, day=day),
            parked_tenant.c.tenant_id.in_(list(tenants)),
        )
        .returning(parked_tenant.c.tenant_id)
    )
    return list(released.all())


async def list_parked(
    connection: AsyncConnection, account: Account, tenant_id: str | None = None
) -> Sequence[RowMapping]:
    query = select(parked_tenant).where(owned(parked_tenant, account))
    if tenant_id is not None:
        query = query.where(parked_tenant.c.tenant_id == tenant_id)
    query = query.order_by(parked_tenant.c.tenant_id, parked_tenant.c.day)
    return (await connection.execute(query)).mappings().all()


async def list_refused_days(
    connection: AsyncConnection, account: Account, accepted: Iterable[str]
) -> Sequence[RowMapping]:
    """Return the sealed days that are not rated because of their recount."""
    query = (
        select(sealed_day.c.day, sealed_day.c.recount, func.count().label("partitions"))
        .where(owned(sealed_day, account), sealed_day.c.recount.not_in(list(accepted)))
        .group_by(sealed_day.c.day, sealed_day.c.recount)
        .order_by(sealed_day.c.day)
    )
    return (await connection.execute(query)).mappings().all()


async def list_missing_seals(connection: AsyncConnection, account: Account) -> list[date]:
    """Return the days whose seal did not come in some partition while that of a later day did."""
    here = (*(sealed_day.c[name] == sealed_through.c[name] for name in PARTITION),)
    following = sealed_through.c.day + 1
    query = (
        select(following)
        .where(
            owned(sealed_through, account),
            exists().where(*here, sealed_day.c.day > following),
            ~exists().where(*here, sealed_day.c.day == following),
        )
        .distinct()
        .order_by(following)
    )
    return list((await connection.scalars(query)).all())
