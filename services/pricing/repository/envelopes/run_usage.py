"""What single runs used, for the envelopes that are theirs."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy import ARRAY, RowMapping, Text, any_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import owned
from services.pricing.run_tables import TENANT, run_part, run_usage
from shared.accounts.repository import Account

_OF_USAGE = (
    *("provider", "model", "kind", "context_band", "service_tier", "batch", "speed", "region"),
    *("purpose", "usage_day"),
)


async def usage_of_runs(
    connection: AsyncConnection, account: Account, runs: Sequence[str], *, since: date
) -> Sequence[RowMapping]:
    """Return what runs used from a day on, at all tenants, by everything that a cost depends on.

    Of the calls that name the run, without those of runs below it.
    """
    columns = [
        *(run_part.c[name] for name in ("tenant_id", "run_id", "agent", "status")),
        *(run_usage.c[name] for name in _OF_USAGE),
    ]
    same = [run_usage.c[name] == run_part.c[name] for name in (*TENANT, "part_key")]
    query = (
        select(*columns, func.sum(run_usage.c.quantity).label("quantity"))
        .where(
            owned(run_part, account),
            run_part.c.run_id == any_(literal(list(runs), ARRAY(Text))),
            *same,
            run_usage.c.usage_day >= since,
        )
        .group_by(*columns)
    )
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows
