"""The SQL of reconciling: which days of an account are sealed, and what is counted in one."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import seal
from shared.accounts.repository import Account

UsageKey = tuple[str, date, str, str]
"""(tenant, usage day, model, kind)."""

UsageSum = tuple[Decimal, int, str]
"""(quantity, events, digest of the parts)."""

_SUMS = text(
    """
    select tenant_id, usage_day, model, kind, sum(quantity) as quantity,
        cast(sum(events) as bigint) as events,
        md5(string_agg(concat_ws('|', attributes, trim_scale(quantity), events), e'\n'
            order by attributes)) as digest
    from (
        select tenant_id, usage_day, model, kind,
            concat_ws('|', provider, agent, context_band, service_tier, batch, speed, region,
                purpose, status, entry) collate "C" as attributes,
            sum(quantity) as quantity, sum(events) as events
        from metering.rollup
        where vendor_id = :vendor_id and mode = :mode and booked_day = :day
        group by 1, 2, 3, 4, 5
    ) rows
    group by 1, 2, 3, 4
    """
)
"""The digest is over what else a sum is made of: agents, and all that prices may depend on."""


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
    return {
        (row.tenant_id, row.usage_day, row.model, row.kind): (
            Decimal(row.quantity),
            row.events,
            row.digest,
        )
        for row in await connection.execute(_SUMS, values)
    }
