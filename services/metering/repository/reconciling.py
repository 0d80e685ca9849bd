"""The SQL of reconciling: which days of an account are sealed, and what is counted in one."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import seal
from shared.accounts.repository import Account
from shared.usage_sums import UsageKey, UsageSum, read_sums, sums_of_day

_SUMS = sums_of_day("metering.rollup")


async def list_sealed_days(
    connection: AsyncConnection, account: Account, first: date, end: date
) -> Sequence[date]:
    """Return the sealed days from the first one, up to the end, exclusive."""
    query = select(seal.c.day).where(
        seal.c.vendor_id == account.vendor_id,
        seal.c.mode == account.mode,
        seal.c.day >= first,
        seal.c.day < end,
    )
    return (await connection.scalars(query.order_by(seal.c.day))).all()


async def read_sums_of_day(
    connection: AsyncConnection, account: Account, day: date
) -> dict[UsageKey, UsageSum]:
    """Return the sums of what is booked in a day, over all partitions."""
    values = {"vendor_id": account.vendor_id, "mode": account.mode, "day": day}
    return read_sums(await connection.execute(_SUMS, values))
