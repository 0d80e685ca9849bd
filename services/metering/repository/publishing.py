"""The SQL of a publisher: marks, cumulative daily sums over all partitions, versions."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, RowMapping, bindparam, delete, func, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import Date, Text

from services.metering.tables import changed_day, pending_seal, publisher_bucket, seal

DAILY_DIMENSIONS = (
    *("provider", "agent", "model", "kind", "context_band", "service_tier", "batch", "speed"),
    *("region", "purpose", "status", "usage_day", "booked_day", "entry"),
)
DAILY_USER_DIMENSIONS = (
    *("team", '"user"', "agent", "model", "purpose", "kind", "usage_day", "booked_day", "entry"),
)

_ACCOUNT = ("vendor_id", "mode", "tenant_id")


@dataclass(frozen=True, order=True)
class ChangedDay:
    """A tenant's (usage day, booked day) whose sums are to be published."""

    vendor_id: str
    mode: str
    tenant_id: str
    usage_day: date
    booked_day: date


async def read_marks(connection: AsyncConnection, bucket: int, *, limit: int) -> Sequence[Row[Any]]:
    """Return a bucket's oldest marks."""
    query = select(changed_day).where(changed_day.c.bucket == bucket)
    return (await connection.execute(query.order_by(changed_day.c.id).limit(limit))).all()


async def delete_marks(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Delete exactly the marks that were read: what came in meanwhile stays."""
    await connection.execute(delete(changed_day).where(changed_day.c.id.in_(ids)))


def _sums(table: str, dimensions: tuple[str, ...]) -> Any:
    names = ", ".join(f"r.{name}" for name in (*_ACCOUNT, *dimensions))
    return text(
        f"""
        select {names}, sum(r.quantity) as quantity, cast(sum(r.events) as bigint) as events
        from unnest(:vendors, :modes, :tenants, :usage_days, :booked_days)
             as c (vendor_id, mode, tenant_id, usage_day, booked_day)
        join metering.{table} r using (vendor_id, mode, tenant_id, usage_day, booked_day)
        group by {names}
        order by {names}
        """  # noqa: S608 - names from our own tables
    ).bindparams(
        *(bindparam(name, type_=ARRAY(Text)) for name in ("vendors", "modes", "tenants")),
        *(bindparam(name, type_=ARRAY(Date)) for name in ("usage_days", "booked_days")),
    )


_DAILY = {
    "rollup": _sums("rollup", DAILY_DIMENSIONS),
    "user_rollup": _sums("user_rollup", DAILY_USER_DIMENSIONS),
}


async def read_daily_sums(
    connection: AsyncConnection, table: str, days: Sequence[ChangedDay]
) -> Sequence[RowMapping]:
    """Return the cumulative daily rows of `rollup` or `user_rollup` over all partitions."""
    values = {
        "vendors": [d.vendor_id for d in days],
        "modes": [d.mode for d in days],
        "tenants": [d.tenant_id for d in days],
        "usage_days": [d.usage_day for d in days],
        "booked_days": [d.booked_day for d in days],
    }
    return (await connection.execute(_DAILY[table], values)).mappings().all()


async def next_version(connection: AsyncConnection, topic: str, bucket: int) -> int:
    """Take the next version of a topic's bucket, counting up from 1."""
    statement = insert(publisher_bucket).values(topic=topic, bucket=bucket, version=1)
    taken = statement.on_conflict_do_update(
        index_elements=["topic", "bucket"], set_={"version": publisher_bucket.c.version + 1}
    ).returning(publisher_bucket.c.version)
    return int((await connection.execute(taken)).scalar_one())


async def read_pending_seals(
    connection: AsyncConnection, bucket: int, *, limit: int
) -> Sequence[Row[Any]]:
    """Return a bucket's seals that are not published, oldest first.

    Each has its offsets and the account's first sealed day.
    """
    earlier = seal.alias()
    first_day = (
        select(func.min(earlier.c.day))
        .where(
            earlier.c.vendor_id == pending_seal.c.vendor_id, earlier.c.mode == pending_seal.c.mode
        )
        .scalar_subquery()
        .label("first_day")
    )
    query = (
        select(pending_seal, seal.c.offsets, seal.c.recount, first_day)
        .join_from(
            pending_seal,
            seal,
            (seal.c.vendor_id == pending_seal.c.vendor_id)
            & (seal.c.mode == pending_seal.c.mode)
            & (seal.c.day == pending_seal.c.day),
        )
        .where(pending_seal.c.bucket == bucket)
        .order_by(pending_seal.c.id)
        .limit(limit)
    )
    return (await connection.execute(query)).all()


async def delete_pending_seals(connection: AsyncConnection, ids: Sequence[int]) -> None:
    """Forget seals that are in the outbox."""
    await connection.execute(delete(pending_seal).where(pending_seal.c.id.in_(ids)))


_DAY_TOTALS = text(
    f"""
    with daily as (
        select tenant_id, {", ".join(DAILY_DIMENSIONS)}, sum(quantity) as quantity
        from metering.rollup
        where vendor_id = :vendor_id and mode = :mode and booked_day = any(:days)
        group by tenant_id, {", ".join(DAILY_DIMENSIONS)}
    )
    select booked_day, tenant_id, kind, count(*) as rows, sum(quantity) as quantity
    from daily
    group by booked_day, tenant_id, kind
    order by booked_day, tenant_id, kind
    """  # noqa: S608 - names from our own tables
).bindparams(bindparam("days", type_=ARRAY(Date)))


async def read_day_totals(
    connection: AsyncConnection, vendor_id: str, mode: str, days: Sequence[date]
) -> Sequence[Row[Any]]:
    """Return, for booked days, each tenant's number of daily rows and sum by kind."""
    values = {"vendor_id": vendor_id, "mode": mode, "days": list(days)}
    return (await connection.execute(_DAY_TOTALS, values)).all()
