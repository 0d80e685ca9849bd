"""What repeated something, as events tell it by their tag: known by run alone."""

from datetime import date
from fractions import Fraction

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.usage import Usage
from services.pricing.repository.selection import owned
from services.pricing.run_tables import TENANT, run_part, run_usage
from shared.accounts.repository import Account

_OF_PART = ("agent", "status")
_OF_USAGE = (
    *("provider", "model", "kind", "context_band", "service_tier", "batch", "speed", "region"),
    *("purpose", "usage_day"),
)


async def read_retried(
    connection: AsyncConnection,
    account: Account,
    *,
    start: date,
    end: date,
    tenant_id: str | None = None,
) -> list[Usage]:
    """Return usage of days `[start, end)` that says what it repeats, of all tenants or of one."""
    columns = [run_part.c[name] for name in _OF_PART] + [run_usage.c[name] for name in _OF_USAGE]
    same = [run_usage.c[name] == run_part.c[name] for name in (*TENANT, "part_key")]
    total = func.sum(run_usage.c.quantity)
    query = (
        select(*columns, total.label("quantity"))
        .where(
            owned(run_usage, account),
            run_usage.c.is_retry,
            run_usage.c.usage_day >= start,
            run_usage.c.usage_day < end,
            *same,
        )
        .group_by(*columns)
        .having(total != 0)
    )
    if tenant_id is not None:
        query = query.where(run_usage.c.tenant_id == tenant_id)
    rows = (await connection.execute(query)).mappings()
    return [
        Usage(
            **{name: row[name] for name in (*_OF_PART, *_OF_USAGE)}
            | {"batch": "true" if row["batch"] else "false"},
            quantity=Fraction(row["quantity"]),
        )
        for row in rows
    ]
