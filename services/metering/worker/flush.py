"""The flush: one transaction that moves the offsets and counts what lies between."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import counting as repository
from services.metering.repository.offsets import Move, move_offsets
from services.metering.tables import outbox
from services.metering.worker import counting
from services.metering.worker.reading import POSITION, Reading, Rejection, reject
from shared.database import Database, lock_transaction
from shared.events.usage_rejected import UsageRejected
from shared.outbox import Outgoing, put
from shared.topics import USAGE_RECORDED


@dataclass(frozen=True)
class Flushed:
    """What became of the events of one flush."""

    counted: int
    duplicates: int
    rejected: int


@dataclass(frozen=True)
class _Verdicts:
    counted: pl.DataFrame
    duplicates: pl.DataFrame
    conflicts: pl.DataFrame


async def flush(database: Database, reading: Reading, moves: Mapping[int, Move]) -> Flushed:
    """Count a reading and move the offsets, both or neither.

    Raises `FencedError` when an offset is not where we left it. Any other error leaves it open
    whether the transaction committed: the caller ends the process and starts from the stored
    offsets.
    """
    async with database.transaction() as connection:
        # First the offsets: a stale worker is stopped before it can count anything.
        await move_offsets(connection, USAGE_RECORDED, moves)
        return await _count(connection, reading)


async def _count(connection: AsyncConnection, reading: Reading) -> Flushed:
    events = reading.events
    accounts = counting.accounts_of(events)
    for vendor_id, mode in accounts:
        await lock_transaction(connection, "vendor", vendor_id, mode, shared=True)
    # A new statement after the lock, so that a seal that held it is seen.
    sealed = await repository.read_sealed_through(connection, accounts) if accounts else {}
    verdicts = await _claim(connection, counting.book(events, sealed))
    await _add(connection, verdicts.counted)
    rejections = reading.rejections + reject(
        verdicts.conflicts,
        "conflicting_event",
        "An event of this id with other content was counted before.",
        field="event_id",
    )
    await _reject(connection, rejections)
    await repository.add_statistics(connection, _statistics(verdicts, rejections))
    return Flushed(verdicts.counted.height, verdicts.duplicates.height, len(rejections))


async def _claim(connection: AsyncConnection, events: pl.DataFrame) -> _Verdicts:
    """Tell first occurrences from duplicates and conflicts, within the batch and for all time."""
    if events.is_empty():
        return _Verdicts(events, events, events)
    first = events.unique(subset=counting.IDENTITY, keep="first", maintain_order=True)
    known = await repository.claim_identities(connection, first)
    first = first.join(known, on=POSITION, how="left", maintain_order="left")
    is_new = pl.col("stored_fingerprint").is_null()
    winners = first.select(
        *counting.IDENTITY, winner=pl.coalesce("stored_fingerprint", "fingerprint")
    )
    counted = first.filter(is_new).drop("stored_fingerprint")
    others = events.join(counted, on=POSITION, how="anti", maintain_order="left").join(
        winners, on=counting.IDENTITY, how="left", maintain_order="left"
    )
    same = pl.col("fingerprint") == pl.col("winner")
    return _Verdicts(counted, others.filter(same), others.filter(~same))


async def _add(connection: AsyncConnection, counted: pl.DataFrame) -> None:
    if counted.is_empty():
        return
    kinds = counting.by_kind(counted)
    rows = counting.sum_rows(kinds, counting.DIMENSIONS)
    await repository.add_to_rollup(connection, "rollup", rows)
    user_rows = counting.sum_rows(kinds, counting.USER_DIMENSIONS)
    await repository.add_to_rollup(connection, "user_rollup", user_rows)
    await repository.insert_marks(connection, counting.marks(counted))


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


def _statistics(
    verdicts: _Verdicts, rejections: list[Rejection]
) -> dict[tuple[str, str, int], dict[str, int]]:
    counts: dict[tuple[str, str, int], dict[str, int]] = {}
    for name, frame in (("counted", verdicts.counted), ("duplicates", verdicts.duplicates)):
        for key, tallied in counting.tally(frame, name).items():
            counts.setdefault(key, {}).update(tallied)
    for rejection in rejections:
        key = (rejection.vendor_id, rejection.mode, rejection.partition)
        entry = counts.setdefault(key, {})
        entry["rejected"] = entry.get("rejected", 0) + 1
    return counts
