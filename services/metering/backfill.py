"""Past events of new additive meters: counted once, from the raw events below `live_from`."""

import asyncio
from dataclasses import dataclass

import polars as pl
import structlog
from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.meters.definition import Definition
from services.metering.event_source import EventSelection, EventSource
from services.metering.repository import counting as repository
from services.metering.repository import meters
from services.metering.repository.counting import KnownRows
from services.metering.worker import counting
from services.metering.worker.meters import LiveMeter, meter_rows
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database, lock_transaction

logger = structlog.get_logger()

PARTITION = -1
"""Rows of backfills are nobody's partition: flushes and backfills never share a row."""
PERIOD_SECONDS = 2.0


@dataclass(frozen=True)
class MeterBackfill:
    """Counts what was there before a meter."""

    database: Database
    source: EventSource
    clock: Clock

    async def run(self) -> None:
        """Count until cancelled."""
        while True:
            try:
                await self.count_waiting()
            except Exception:
                logger.exception("backfill_failed")
            await asyncio.sleep(PERIOD_SECONDS)

    async def count_waiting(self) -> int:
        """Count the past of every meter that waits for it; return how many were counted."""
        async with self.database.leadership("meter_backfill") as leading:
            if not leading:
                return 0
            async with self.database.transaction() as connection:
                waiting = await meters.list_waiting_backfills(connection)
            return sum([await self.count(row) for row in waiting])

    async def count(self, row: RowMapping) -> bool:
        """Count the past of one meter in one transaction; false when that was done before."""
        account = Account(row["vendor_id"], row["mode"])
        before = {int(partition): offset for partition, offset in row["live_from"].items()}
        events = await self.source.events(EventSelection(account, None, None, None, before))
        meter = LiveMeter(
            (account.vendor_id, account.mode),
            row["name"],
            row["version"],
            Definition.model_validate(row["definition"]),
        )
        async with self.database.transaction() as connection:
            # Held as flushes do: no seal comes between the choice of days and the rows.
            await lock_transaction(
                connection, "vendor", account.vendor_id, account.mode, shared=True
            )
            rows = await _book(connection, events, meter)
            claimed = await meters.claim_backfill(
                connection, row["id"], events=rows.height, now=self.clock.now()
            )
            if claimed:
                await _add(connection, rows)
        logger.info("meter_backfilled", meter=meter.kind, events=rows.height, done=claimed)
        return claimed


async def _book(
    connection: AsyncConnection, events: pl.DataFrame, meter: LiveMeter
) -> pl.DataFrame:
    sealed = await repository.read_sealed_through(connection, [meter.account])
    entries = events.with_columns(
        partition=pl.lit(PARTITION, pl.Int64),
        sign=pl.lit(1, pl.Int8),
        entry=pl.lit("usage"),
    )
    return meter_rows(counting.book(entries, sealed), meter)


async def _add(connection: AsyncConnection, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    for table, dimensions in (
        ("rollup", counting.DIMENSIONS),
        ("user_rollup", counting.USER_DIMENSIONS),
    ):
        await repository.add_to_rollup(
            connection, table, counting.sum_rows(rows, dimensions), KnownRows()
        )
    await repository.insert_marks(connection, counting.marks(rows))
