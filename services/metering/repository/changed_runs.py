"""The SQL of publishing runs: marks, and what the marked runs came to over all partitions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import RowMapping, bindparam, delete, select, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Date, Text

from services.metering.tables import changed_run
from services.metering.worker.counting import bucket_of
from shared.accounts.repository import Account
from shared.topics import RUNS_AGGREGATED


class MarkedRun(NamedTuple):
    """A run of a tenant whose sums are to be published."""

    vendor_id: str
    mode: str
    tenant_id: str
    run_id: str


@dataclass(frozen=True)
class RunSums:
    """Parts of runs in the order of their tenants; what they used and their outcomes, by `key`."""

    parts: Sequence[RowMapping]
    usage: Sequence[RowMapping]
    outcomes: Sequence[RowMapping]


async def read_run_marks(
    connection: AsyncConnection, bucket: int, *, limit: int
) -> tuple[list[int], list[MarkedRun]]:
    """Return a bucket's oldest marks and the runs that they mark, each once."""
    columns = [changed_run.c[name] for name in ("id", *MarkedRun._fields)]
    query = select(*columns).where(changed_run.c.bucket == bucket)
    rows = (await connection.execute(query.order_by(changed_run.c.id).limit(limit))).all()
    return [row.id for row in rows], sorted({MarkedRun(*row[1:]) for row in rows})


async def delete_run_marks(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Delete exactly the marks that were read: what came in meanwhile stays."""
    await connection.execute(delete(changed_run).where(changed_run.c.id.in_(ids)))


async def mark_days(connection: AsyncConnection, account: Account, days: Sequence[date]) -> int:
    """Mark every run that used anything on these days as changed; return how many."""
    values = {"vendor_id": account.vendor_id, "mode": account.mode, "days": list(days)}
    runs = [MarkedRun(*row) for row in (await connection.execute(_OF_DAYS, values)).all()]
    marks = [
        {"bucket": bucket_of(run.vendor_id, run.tenant_id, RUNS_AGGREGATED), **run._asdict()}
        for run in runs
    ]
    if marks:
        await connection.execute(changed_run.insert(), marks)
    return len(marks)


_OF_DAYS = text(
    """
    select distinct r.vendor_id, r.mode, r.tenant_id, r.run_id
    from metering.run_rollup r join metering.run_usage u using (partition, row_key)
    where r.vendor_id = :vendor_id and r.mode = :mode and u.usage_day = any(:days)
    """
).bindparams(bindparam("days", type_=ARRAY(Date)))


async def read_sums(connection: AsyncConnection, runs: Sequence[MarkedRun]) -> RunSums:
    """Return what runs came to, summed over all partitions."""
    names = ("vendors", "modes", "tenants", "runs")
    values = dict(zip(names, map(list, zip(*runs, strict=True)), strict=True))
    parts, usage, outcomes = [
        (await connection.execute(query, values)).mappings().all()
        for query in (_PARTS, _USAGE, _OUTCOMES)
    ]
    return RunSums(parts, usage, outcomes)


def _of_marked(query: str) -> Any:
    marked = """
        select r.* from unnest(:vendors, :modes, :tenants, :runs)
            as m (vendor_id, mode, tenant_id, run_id)
        join metering.run_rollup r using (vendor_id, mode, tenant_id, run_id)
    """
    return text(f"with part as ({marked}) {query}").bindparams(
        *(bindparam(name, type_=ARRAY(Text)) for name in ("vendors", "modes", "tenants", "runs"))
    )


_PART = "vendor_id, mode, tenant_id, run_id, parent_run_id, agent, agent_version, status, row_key"
_PARTS = _of_marked(
    f"""
    select {_PART}, encode(row_key, 'hex') as key, min(first_at) as first_at,
        max(last_at) as last_at, cast(sum(events) as bigint) as events
    from part group by {_PART} order by {_PART}
    """  # noqa: S608 - our own names
)
_CIRCUMSTANCES = (
    "u.provider, u.model, u.kind, u.context_band, u.service_tier, u.batch, u.speed, u.region, "
    "u.purpose, u.is_retry, u.usage_day"
)
_USAGE = _of_marked(
    f"""
    select encode(u.row_key, 'hex') as part_key, encode(u.usage_key, 'hex') as key,
        {_CIRCUMSTANCES}, sum(u.quantity) as quantity, cast(sum(u.events) as bigint) as events
    from part join metering.run_usage u using (partition, row_key)
    group by u.row_key, u.usage_key, {_CIRCUMSTANCES} order by u.row_key, u.usage_key
    """  # noqa: S608 - our own names
)
_OUTCOMES = _of_marked(
    """
    select encode(o.row_key, 'hex') as part_key, o.name, o.source, sum(o.value) as value,
        cast(sum(o.events) as bigint) as events
    from part join metering.run_outcome o using (partition, row_key)
    group by o.row_key, o.name, o.source order by o.row_key, o.name, o.source
    """
)
