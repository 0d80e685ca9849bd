"""Pricing's copy of the usage of days that it knows as sealed, for a check from outside."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import TextClause, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Date, Text

from shared.topics import USAGE_AGGREGATED

SealedDay = tuple[str, str, date]
"""(vendor, mode, booked day)."""
Key = tuple[str, str, str, date, str]
"""(vendor, mode, tenant, booked day, kind)."""

_DAYS = text(
    """
    select vendor_id, mode, day from pricing.sealed_day
    where (cast(:vendor as text) is null or vendor_id = :vendor)
      and (cast(:mode as text) is null or mode = :mode)
    group by vendor_id, mode, day having count(distinct topic_partition) = :partitions
    """
)


def _sums(table: str) -> TextClause:
    return text(
        f"""
        select u.vendor_id, u.mode, u.tenant_id, u.booked_day, u.kind,
            sum(u.quantity) as quantity, sum(u.events) as events
        from unnest(:vendors, :modes, :days) as d (vendor_id, mode, booked_day)
        join pricing.{table} u using (vendor_id, mode, booked_day)
        group by 1, 2, 3, 4, 5
        """  # noqa: S608 - our own names
    ).bindparams(
        *(bindparam(name, type_=ARRAY(Text)) for name in ("vendors", "modes")),
        bindparam("days", type_=ARRAY(Date)),
    )


_SUMS, _SUMS_BY_USER = _sums("usage_daily"), _sums("usage_daily_by_user")


async def read_sealed_days(
    connection: AsyncConnection, vendor_id: str | None, mode: str | None
) -> list[SealedDay]:
    """Return the days whose seals have come in all partitions; None is everybody's."""
    values = {"vendor": vendor_id, "mode": mode, "partitions": USAGE_AGGREGATED.partitions}
    rows = await connection.execute(_DAYS, values)
    return [(row.vendor_id, row.mode, row.day) for row in rows]


async def read_sums(
    connection: AsyncConnection, days: Sequence[SealedDay], *, by_user: bool = False
) -> dict[Key, tuple[Decimal, int]]:
    """Return (quantity, events) by tenant, booked day and kind; `by_user` asks the other copy."""
    vendors, modes, dates = zip(*days, strict=True) if days else ((), (), ())
    values = {"vendors": list(vendors), "modes": list(modes), "days": list(dates)}
    rows = await connection.execute(_SUMS_BY_USER if by_user else _SUMS, values)
    return {
        (row.vendor_id, row.mode, row.tenant_id, row.booked_day, row.kind): (
            Decimal(row.quantity),
            int(row.events),
        )
        for row in rows
    }
