"""What waits for a person in metering: days that nobody closed, recounts that do not agree."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import and_, distinct, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository.verification import PENDING
from services.metering.tables import rollup, seal
from shared.accounts.repository import Account
from shared.accounts.tables import vendor


async def read_live_from(connection: AsyncConnection, vendor_id: str) -> date | None:
    """Return the first day that a vendor's seals come by themselves; None for an unknown one."""
    day: date | None = await connection.scalar(
        select(vendor.c.live_from).where(vendor.c.vendor_id == vendor_id)
    )
    return day


@dataclass(frozen=True)
class BookedDays:
    """How many days something is booked on, and the first of them."""

    days: int
    first: date | None


async def count_booked_days(
    connection: AsyncConnection, account: Account, *, after: date | None, through: date
) -> BookedDays:
    """Return the days with anything booked, `after` (if any) exclusive, `through` inclusive."""
    day = rollup.c.booked_day
    query = select(func.count(distinct(day)), func.min(day)).where(
        rollup.c.vendor_id == account.vendor_id, rollup.c.mode == account.mode, day <= through
    )
    if after is not None:
        query = query.where(day > after)
    days, first = (await connection.execute(query)).one()
    return BookedDays(days, first)


async def list_recounts(
    connection: AsyncConnection, account: Account, *, pending_before: datetime
) -> Sequence[tuple[date, str, datetime]]:
    """Return (day, outcome, sealed at) of recounts that differ, or that wait since before then."""
    query = select(seal.c.day, seal.c.recount, seal.c.sealed_at).where(
        seal.c.vendor_id == account.vendor_id,
        seal.c.mode == account.mode,
        or_(
            seal.c.recount == "differs",
            and_(seal.c.recount == PENDING, seal.c.sealed_at < pending_before),
        ),
    )
    rows = await connection.execute(query.order_by(seal.c.day))
    return [(row.day, row.recount, row.sealed_at) for row in rows]
