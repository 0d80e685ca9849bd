"""The flush: one transaction that moves the offsets and counts what lies between."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import counting as repository
from services.metering.repository.counting import KnownRows
from services.metering.repository.offsets import Move, move_offsets
from services.metering.repository.runs import add_runs
from services.metering.tables import outbox
from services.metering.worker import claims, counting, overlays
from services.metering.worker.memory import Memory
from services.metering.worker.meters import KnownMeters, metered
from services.metering.worker.overlays import Originals
from services.metering.worker.reading import Reading, Rejection
from services.metering.worker.runs import sum_runs
from services.metering.worker.verdicts import Flushed, Tallies, Verdicts, judge, with_rejected
from shared.database import Database, lock_transaction
from shared.events.usage_rejected import UsageRejected
from shared.outbox import Outgoing, put
from shared.topics import USAGE_RECORDED


@dataclass(frozen=True)
class Flusher:
    """Counts readings; `memory` is what it may remember, `originals` where corrections look."""

    database: Database
    originals: Originals
    memory: Memory = field(default_factory=Memory)
    meters: KnownMeters = field(default_factory=KnownMeters)

    async def flush(self, reading: Reading, moves: Mapping[int, Move]) -> Flushed:
        """Count a reading and move the offsets, both or neither.

        Raises `FencedError` when an offset is not where we left it. Any other error leaves it open
        whether the transaction committed: the caller ends the process and starts from the stored
        offsets.
        """
        try:
            async with self.database.transaction() as connection:
                # First the offsets: a stale worker is stopped before it can count anything.
                await move_offsets(connection, USAGE_RECORDED, moves)
                return await self._count(connection, reading, moves)
        except BaseException:
            # Ids remembered but not committed would make duplicates of events that never counted.
            self.memory.clear()
            raise

    async def _count(
        self, connection: AsyncConnection, reading: Reading, moves: Mapping[int, Move]
    ) -> Flushed:
        events = reading.events
        accounts = counting.accounts_of(events)
        for vendor_id, mode in accounts:
            await lock_transaction(connection, "vendor", vendor_id, mode, shared=True)
        # A new statement after the lock, so that a seal that held it is seen.
        sealed = await repository.read_sealed_through(connection, accounts) if accounts else {}
        rejections = list(reading.rejections)
        tallies: Tallies = {}
        flushed = Flushed(0, 0, len(rejections))
        if not events.is_empty():
            verdicts = await self._claim(connection, events, sealed, moves)
            # Whoever moves an offset in this transaction may write the partition's rows: all of
            # the flush goes under one partition, or every key would be as many rows.
            home = pl.lit(min(moves), pl.Int64)
            entries = verdicts.entries.with_columns(partition=home)
            await add_entries(connection, entries, self.meters, self.memory.rows)
            rejections += verdicts.rejections()
            tallies = verdicts.tallies()
            flushed = verdicts.flushed(rejected=len(rejections))
        await _reject(connection, rejections)
        await repository.add_statistics(connection, with_rejected(tallies, rejections))
        return flushed

    async def _claim(
        self,
        connection: AsyncConnection,
        events: pl.DataFrame,
        sealed: Mapping[counting.Account, date],
        moves: Mapping[int, Move],
    ) -> Verdicts:
        """Judge every event, and store the identities of those that were not known."""
        booked = counting.book(events, sealed)
        frame = await claims.number_tenants(connection, booked, self.memory)
        claim = await claims.claim(connection, frame.select(claims.CLAIMED), self.memory)
        verdicts = judge(claim, frame)
        if claim.special:
            settled = await overlays.settle(
                connection, frame, claim, memory=self.memory, originals=self.originals
            )
            corrected = counting.book(settled.entries, sealed)
            verdicts = verdicts.with_special(frame, settled, corrected)
        starts = {partition: step.expected for partition, step in moves.items()}
        await claims.store(connection, claim.first, self.memory, starts)
        return verdicts


async def add_entries(
    connection: AsyncConnection, entries: pl.DataFrame, meters: KnownMeters, known: KnownRows
) -> None:
    """Add booked events, each once (`sign` 1) or taken back (-1), to every rollup."""
    if entries.is_empty():
        return
    measured = await metered(connection, entries, meters)
    kinds = pl.concat([counting.by_kind(entries), *measured], how="diagonal")
    rows = counting.sum_rows(kinds, counting.DIMENSIONS)
    await repository.add_to_rollup(connection, "rollup", rows, known)
    user_rows = counting.sum_rows(kinds, counting.USER_DIMENSIONS)
    await repository.add_to_rollup(connection, "user_rollup", user_rows, known)
    if runs := sum_runs(entries):
        await add_runs(connection, runs.parts, runs.usage, runs.outcomes, runs.changed)
    await repository.insert_marks(connection, counting.marks(entries))


async def _reject(connection: AsyncConnection, rejections: list[Rejection]) -> None:
    await repository.insert_rejected(connection, [asdict(r) for r in rejections])
    # What is nobody's that we know stays in the table: it has no vendor to be told to.
    told = [Outgoing(_message(r)) for r in rejections if r.vendor_id]
    await put(connection, outbox, told)


def _message(rejection: Rejection) -> UsageRejected:
    return UsageRejected.model_validate(
        {
            "vendor_id": rejection.vendor_id,
            "mode": rejection.mode,
            "tenant_id": rejection.tenant_id,
            "event_id": rejection.event_id,
            "code": rejection.code,
            "field": rejection.field,
            "message": rejection.message,
            "origin_partition": rejection.partition,
            "origin_offset": rejection.offset,
            "origin_index": rejection.index,
            "event": rejection.event,
        }
    )
