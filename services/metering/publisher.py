"""The publisher: what flushes marked goes out as cumulative rows, seals go out behind them.

A flush publishes nothing: two workers that each published the sum they see would overwrite one
another. One publisher per bucket (a partition of `usage.aggregated`) sums over all partitions in
one snapshot and takes the bucket's next version in the same transaction.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Any

import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import publishing
from services.metering.repository.offsets import read_watermark
from services.metering.repository.publishing import ChangedDay
from services.metering.tables import outbox
from services.metering.worker.counting import bucket_of
from shared.database import Database
from shared.events.usage_aggregated import (
    ROWS_PER_MESSAGE,
    DaySealed,
    TenantDay,
    UsageAggregated,
    UsageRow,
    UserUsageRow,
)
from shared.outbox import Outgoing, put
from shared.topics import USAGE_AGGREGATED, USAGE_RECORDED, Topic

logger = structlog.get_logger()

MARKS_PER_PASS = 5_000
SEALS_PER_PASS = 400
BACKOFF_SECONDS = 1.0


@dataclass(frozen=True)
class Published:
    """What one pass over one bucket put into the outbox; `more`: it left some for the next."""

    messages: int
    marks: int
    seals: int = 0
    more: bool = False


PublishBucket = Callable[[AsyncConnection, int], Awaitable[Published]]
"""Writes a bucket's messages into the outbox, from the one snapshot of the transaction."""


@dataclass(frozen=True)
class Publisher:
    """Publishes every bucket of a topic, at most once in `period` seconds while it keeps up."""

    database: Database
    period: float
    topic: Topic
    publish_bucket: PublishBucket

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            try:
                passes = await self.publish_all()
            except Exception:
                logger.exception("publishing_failed", topic=self.topic.name)
                await asyncio.sleep(BACKOFF_SECONDS)
            else:
                await asyncio.sleep(0 if any(one.more for one in passes) else self.period)

    async def publish_all(self) -> list[Published]:
        """Publish each bucket whose lock is free, once."""
        return [await self.publish(bucket) for bucket in range(self.topic.partitions)]

    async def publish(self, bucket: int) -> Published:
        """Publish one bucket's marks in one transaction."""
        # The lock comes before the snapshot: what the previous holder committed is in it.
        async with self.database.leadership(f"publisher:{self.topic.name}:{bucket}") as leading:
            if not leading:
                return Published(0, 0)
            async with self.database.transaction("REPEATABLE READ") as connection:
                return await self.publish_bucket(connection, bucket)


def usage_publisher(database: Database, period: float) -> Publisher:
    """Return the publisher of `usage.aggregated`."""
    return Publisher(database, period, USAGE_AGGREGATED, publish_bucket)


async def publish_bucket(connection: AsyncConnection, bucket: int) -> Published:
    """Write a bucket's messages into the outbox, from the one snapshot of the transaction."""
    marks = await publishing.read_marks(connection, bucket, limit=MARKS_PER_PASS)
    # Behind every older mark: as long as marks remain, seals wait for the next pass.
    seals: Sequence[Any] = []
    if len(marks) < MARKS_PER_PASS:
        seals = await publishing.read_pending_seals(connection, bucket, limit=SEALS_PER_PASS)
    if not marks and not seals:
        return Published(0, 0)
    version = await publishing.next_version(connection, USAGE_AGGREGATED.name, bucket)
    messages: list[UsageAggregated | DaySealed] = []
    if marks:
        messages += await _aggregates(connection, marks, version)
        await publishing.delete_marks(connection, [mark.id for mark in marks])
    if seals:
        messages += await _seals(connection, bucket, seals, version)
        await publishing.delete_pending_seals(connection, [pending.id for pending in seals])
    await put(connection, outbox, [Outgoing(message, partition=bucket) for message in messages])
    full = len(marks) == MARKS_PER_PASS or len(seals) == SEALS_PER_PASS
    published = Published(len(messages), len(marks), len(seals), more=full)
    logger.info("published", bucket=bucket, version=version, messages=len(messages))
    return published


async def _aggregates(
    connection: AsyncConnection, marks: Iterable[Any], version: int
) -> list[UsageAggregated]:
    days = sorted(
        {ChangedDay(m.vendor_id, m.mode, m.tenant_id, m.usage_day, m.booked_day) for m in marks}
    )
    watermark = await read_watermark(connection, USAGE_RECORDED)
    rows = _by_tenant(await publishing.read_daily_sums(connection, "rollup", days))
    user_rows = _by_tenant(await publishing.read_daily_sums(connection, "user_rollup", days))
    nothing: list[RowMapping] = []
    return [
        UsageAggregated(
            vendor_id=vendor_id,
            mode=mode,
            tenant_id=tenant_id,
            version=version,
            watermark=watermark,
            rows=[_row(UsageRow, row) for row in some],
            user_rows=[_row(UserUsageRow, row) for row in some_users],
        )
        for (vendor_id, mode, tenant_id), own in sorted(rows.items())
        for some, some_users in zip_longest(
            _chunks(own),
            _chunks(user_rows.get((vendor_id, mode, tenant_id), [])),
            fillvalue=nothing,
        )
    ]


def _by_tenant(rows: Sequence[RowMapping]) -> dict[Any, list[RowMapping]]:
    grouped = groupby(rows, key=lambda row: (row["vendor_id"], row["mode"], row["tenant_id"]))
    return {tenant: list(own) for tenant, own in grouped}


def _row(kind: Any, row: RowMapping) -> Any:
    return kind.model_validate({name: row[name] for name in kind.model_fields})


def _chunks(rows: list[Any]) -> list[list[Any]]:
    return [rows[i : i + ROWS_PER_MESSAGE] for i in range(0, len(rows), ROWS_PER_MESSAGE)]


async def _seals(
    connection: AsyncConnection, bucket: int, seals: Sequence[Any], version: int
) -> list[DaySealed]:
    messages: list[DaySealed] = []
    accounts = sorted({(pending.vendor_id, pending.mode) for pending in seals})
    for vendor_id, mode in accounts:
        own = [p for p in seals if (p.vendor_id, p.mode) == (vendor_id, mode)]
        days = sorted({pending.day for pending in own})
        totals = await publishing.read_day_totals(connection, vendor_id, mode, days)
        for pending in {pending.day: pending for pending in own}.values():
            mine = [
                total
                for total in totals
                if total.booked_day == pending.day
                and bucket_of(vendor_id, total.tenant_id) == bucket
            ]
            messages += _parts(pending, _tenant_days(mine), version)
    return messages


def _tenant_days(totals: list[Any]) -> list[TenantDay]:
    """Return the check of each tenant: how many rows, and the sum of each kind."""
    days = []
    for tenant_id, kinds in groupby(totals, key=lambda total: total.tenant_id):
        own = list(kinds)
        sums = {total.kind: total.quantity for total in own}
        days.append(TenantDay(tenant_id=tenant_id, rows=sum(t.rows for t in own), sums=sums))
    return days


def _parts(pending: Any, tenants: list[TenantDay], version: int) -> list[DaySealed]:
    """Return a day's parts for one bucket: at least one, also when no tenant used anything."""
    chunks = _chunks(tenants) or [[]]
    return [
        DaySealed(
            vendor_id=pending.vendor_id,
            mode=pending.mode,
            day=pending.day,
            first_day=pending.first_day,
            version=version,
            part=number,
            parts=len(chunks),
            recount=pending.recount,
            offsets={int(partition): offset for partition, offset in pending.offsets.items()},
            tenants=chunk,
        )
        for number, chunk in enumerate(chunks, start=1)
    ]
