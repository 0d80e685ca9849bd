"""The SQL of seals: contiguous per account, with the offsets that each day was sealed at."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Literal

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import changed_day, pending_seal, rollup, seal, vendor_seal
from services.metering.worker.counting import bucket_of
from shared.accounts.repository import Account
from shared.topics import USAGE_AGGREGATED


async def read_sealed_through(connection: AsyncConnection, account: Account) -> date | None:
    """Return the account's last sealed day."""
    query = select(vendor_seal.c.sealed_through).where(
        vendor_seal.c.vendor_id == account.vendor_id, vendor_seal.c.mode == account.mode
    )
    day: date | None = await connection.scalar(query)
    return day


async def read_first_booked_day(connection: AsyncConnection, account: Account) -> date | None:
    """Return the first day that anything of the account is booked in."""
    query = select(func.min(rollup.c.booked_day)).where(
        rollup.c.vendor_id == account.vendor_id, rollup.c.mode == account.mode
    )
    day: date | None = await connection.scalar(query)
    return day


async def insert_seals(
    connection: AsyncConnection,
    account: Account,
    days: Sequence[date],
    *,
    offsets: Mapping[int, int],
    sealed_at: datetime,
    recount: Literal["off", "pending"] = "off",
) -> None:
    """Seal contiguous days at the offset vector.

    With `recount` off their publication is queued in every bucket; pending ones wait for it.
    """
    keys = {"vendor_id": account.vendor_id, "mode": account.mode}
    vector = {str(partition): offset for partition, offset in offsets.items()}
    seals = [
        {**keys, "day": day, "offsets": vector, "recount": recount, "sealed_at": sealed_at}
        for day in days
    ]
    await connection.execute(seal.insert(), seals)
    through = insert(vendor_seal).values(**keys, sealed_through=days[-1])
    await connection.execute(
        through.on_conflict_do_update(
            index_elements=list(keys), set_={"sealed_through": through.excluded.sealed_through}
        )
    )
    if recount == "off":
        await queue_publication(connection, account, days)


async def queue_publication(
    connection: AsyncConnection, account: Account, days: Sequence[date]
) -> None:
    """Have every bucket's publisher send the seals of these days."""
    rows = [
        {"bucket": bucket, "vendor_id": account.vendor_id, "mode": account.mode, "day": day}
        for day in days
        for bucket in range(USAGE_AGGREGATED.partitions)
    ]
    if rows:
        await connection.execute(pending_seal.insert(), rows)


async def read_sealed_days(
    connection: AsyncConnection, account: Account, days: Sequence[date]
) -> list[date]:
    """Return those of the days whose seal is published or may be, in order.

    A seal that waits for the recount of its day is left out.
    """
    query = select(seal.c.day).where(
        seal.c.vendor_id == account.vendor_id,
        seal.c.mode == account.mode,
        seal.c.day.in_(days),
        seal.c.recount != "pending",
    )
    return list((await connection.execute(query.order_by(seal.c.day))).scalars())


async def mark_days(connection: AsyncConnection, account: Account, days: Sequence[date]) -> int:
    """Mark everything used or booked on these days as changed; return how many marks."""
    found = await connection.execute(
        text(
            "select distinct tenant_id, usage_day, booked_day from metering.rollup "
            "where vendor_id = :vendor_id and mode = :mode "
            "and (booked_day = any(:days) or usage_day = any(:days))"
        ),
        {"vendor_id": account.vendor_id, "mode": account.mode, "days": list(days)},
    )
    rows = [
        {
            "bucket": bucket_of(account.vendor_id, row.tenant_id),
            "vendor_id": account.vendor_id,
            "mode": account.mode,
            "tenant_id": row.tenant_id,
            "usage_day": row.usage_day,
            "booked_day": row.booked_day,
        }
        for row in found
    ]
    if rows:
        await connection.execute(changed_day.insert(), rows)
    return len(rows)
