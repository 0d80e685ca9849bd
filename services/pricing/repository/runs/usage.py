"""What runs used, by everything that a cost depends on: of single runs, and of what repeats."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from sqlalchemy import ARRAY, Column, RowMapping, Select, Text, any_, func, literal, select
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.usage import Usage
from services.pricing.repository.selection import owned
from services.pricing.run_tables import TENANT, run_part, run_usage
from shared.accounts.repository import Account

_CIRCUMSTANCES = (
    *(run_part.c[name] for name in ("agent", "status")),
    *(run_usage.c[name] for name in ("provider", "model", "kind", "context_band")),
    *(run_usage.c[name] for name in ("service_tier", "batch", "speed", "region", "purpose")),
    run_usage.c.usage_day,
)


async def usage_of_runs(
    connection: AsyncConnection, account: Account, runs: Sequence[str], *, since: date
) -> Sequence[RowMapping]:
    """Return what runs used from a day on, at all tenants, by everything that a cost depends on.

    Of the calls that name the run, without those of runs below it.
    """
    query = _sums(account, run_part.c.tenant_id, run_part.c.run_id).where(
        run_part.c.run_id == any_(literal(list(runs), ARRAY(Text))),
        run_usage.c.usage_day >= since,
    )
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def read_retried(
    connection: AsyncConnection,
    account: Account,
    *,
    start: date,
    end: date,
    tenant_id: str | None = None,
) -> list[Usage]:
    """Return usage of days `[start, end)` that says what it repeats, of all tenants or of one."""
    query = _sums(account).where(
        run_usage.c.is_retry, run_usage.c.usage_day >= start, run_usage.c.usage_day < end
    )
    if tenant_id is not None:
        query = query.where(run_usage.c.tenant_id == tenant_id)
    rows = (await connection.execute(query)).mappings()
    return [
        Usage(
            **dict(row)
            | {
                "batch": "true" if row["batch"] else "false",
                "quantity": Fraction(row["quantity"]),
            }
        )
        for row in rows
    ]


def _sums(account: Account, *by: Column[Any]) -> Select[Any]:
    """Return the query of an account's usage by circumstances, and by more columns."""
    same = [run_usage.c[name] == run_part.c[name] for name in (*TENANT, "part_key")]
    columns = [*by, *_CIRCUMSTANCES]
    total = func.sum(run_usage.c.quantity)
    return (
        select(*columns, total.label("quantity"))
        .where(owned(run_usage, account), *same)
        .group_by(*columns)
        .having(total != 0)
    )
