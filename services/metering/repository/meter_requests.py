"""The SQL of questions that pricing asks about meters: a queue, oldest attempt first."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, bindparam, delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.tables import meter_request
from shared.accounts.repository import Account
from shared.events.meter_wanted import MeterWanted

QUESTION = ("vendor_id", "mode", "tenant_id", "name", "version", "period_start", "period_end")


async def store(connection: AsyncConnection, message: MeterWanted, now: datetime) -> None:
    """Put a question into the queue, once; a newer one for a live value replaces the older."""
    asked: dict[str, Any] = {name: getattr(message, name) for name in QUESTION if name != "version"}
    asked["version"] = message.meter_version
    if message.booked_before is None:
        same = [meter_request.c[name] == value for name, value in asked.items()]
        await connection.execute(
            delete(meter_request).where(*same, meter_request.c.booked_before.is_(None))
        )
    await connection.execute(
        insert(meter_request)
        .values(
            **asked,
            request_id=message.request_id,
            booked_before=message.booked_before,
            attempts=0,
            next_attempt_at=now,
        )
        .on_conflict_do_nothing()
    )


async def next_batch(
    connection: AsyncConnection, now: datetime, *, limit: int
) -> Sequence[RowMapping]:
    """Return questions whose turn it is, of one account and one bound: one reading answers them.

    What a period waits for comes before what somebody only looks at.
    """
    due = select(meter_request).where(meter_request.c.next_attempt_at <= now)
    order = (meter_request.c.next_attempt_at, meter_request.c.request_id)
    live = meter_request.c.booked_before.is_(None)
    first = (await connection.execute(due.order_by(live, *order).limit(1))).mappings().one_or_none()
    if first is None:
        return []
    bound = first["booked_before"]
    batch = due.where(
        meter_request.c.vendor_id == first["vendor_id"],
        meter_request.c.mode == first["mode"],
        live if bound is None else meter_request.c.booked_before == bound,
    )
    return (await connection.execute(batch.order_by(*order).limit(limit))).mappings().all()


async def postpone(
    connection: AsyncConnection, attempts: Sequence[tuple[str, datetime]], *, failure: str
) -> None:
    """Try questions, by their ids, again at an instant each."""
    await connection.execute(
        meter_request.update()
        .where(meter_request.c.request_id == bindparam("asked"))
        .values(
            attempts=meter_request.c.attempts + 1,
            next_attempt_at=bindparam("at"),
            failure=failure,
        ),
        [{"asked": request_id, "at": at} for request_id, at in attempts],
    )


async def forget(connection: AsyncConnection, request_ids: Sequence[str]) -> None:
    """Delete questions that are answered."""
    await connection.execute(
        delete(meter_request).where(meter_request.c.request_id.in_(request_ids))
    )


async def count_failing(
    connection: AsyncConnection, account: Account, *, attempts: int
) -> Sequence[RowMapping]:
    """Return (failure, count) of questions for final values that failed so often, or more."""
    query = (
        select(meter_request.c.failure, func.count().label("count"))
        .where(
            meter_request.c.vendor_id == account.vendor_id,
            meter_request.c.mode == account.mode,
            meter_request.c.booked_before.is_not(None),
            meter_request.c.attempts >= attempts,
        )
        .group_by(meter_request.c.failure)
        .order_by(meter_request.c.failure)
    )
    return (await connection.execute(query)).mappings().all()
