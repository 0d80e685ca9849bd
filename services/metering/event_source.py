"""Where the raw events of the past come from, for what rollups cannot answer."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Protocol

import polars as pl
from aiokafka import TopicPartition
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.archive.log_reader import log_consumer
from services.metering.archive.lookup import EVENT_COLUMNS, event_frame
from services.metering.archive.storage import ArchiveStorage
from services.metering.repository import archive
from services.metering.repository.archive import ManifestRow
from services.metering.repository.verification import (
    read_natural_losers,
    read_rejected_positions,
)
from services.metering.worker.effective import effective_events
from services.metering.worker.incoming import record_of
from services.metering.worker.reading import POSITION, events_of
from shared.accounts.repository import Account
from shared.clock import day_start
from shared.database import Database
from shared.topics import USAGE_RECORDED, Topic

READ_SECONDS_MAX = 120.0
RECORDS_PER_READ = 500
_TARGET_ID = pl.when(pl.col("corrects") == "").then("event_id").otherwise("corrects")


@dataclass(frozen=True)
class EventSelection:
    """Events of an account on usage days [first, end), as they counted below offsets.

    `tenant_id` None means all tenants, or those of `tenants`; without `first` from the beginning.
    """

    account: Account
    tenant_id: str | None
    first: date | None
    end: date | None
    before: Mapping[int, int]
    tenants: frozenset[str] | None = None


class EventSource(Protocol):
    """Reads raw events: columns of the schema and of the position, each identity once.

    Duplicates and rejected events are left out, revisions and corrections applied
    (worker/effective.py).
    """

    async def events(self, selection: EventSelection) -> pl.DataFrame: ...


@dataclass(frozen=True)
class HistoricEvents:
    """The events of the archive and, where it does not reach, of the log.

    Without a `storage` only those that the log still holds.
    """

    database: Database
    kafka_bootstrap: str
    storage: ArchiveStorage | None = None
    topic: Topic = USAGE_RECORDED

    async def events(self, selection: EventSelection) -> pl.DataFrame:
        """Return what counted; raises TimeoutError or a KafkaError while it cannot be read.

        Files of other days are opened only for what the selected days depend on there.
        """
        async with self.database.transaction("REPEATABLE READ") as connection:
            archived = await archive.read_archive_offsets(connection) if self.storage else {}
            files = await archive.list_files(connection, selection.before) if self.storage else []
        async with asyncio.timeout(READ_SECONDS_MAX):
            found = [await self._read_log(selection, archived)]
        whole = [file for file in files if _is_needed_whole(file, selection)]
        found += [await asyncio.to_thread(self._read_file, file.path, selection) for file in whole]
        # A correction may move an event to another day, so what it corrects is wanted from there.
        # Nothing else has two days: the same content has the same one, and other content under an
        # id is rejected.
        versioned = _ids_with_versions(found)
        rest = [] if versioned.is_empty() else files
        for file in rest:
            if _is_needed_whole(file, selection):
                continue
            events = await asyncio.to_thread(self._read_file, file.path, selection)
            found.append(events.join(versioned, on=["tenant_id", "event_id"], how="semi"))
        async with self.database.transaction() as connection:
            return await select_effective(connection, pl.concat(found), selection)

    def _read_file(self, path: str, selection: EventSelection) -> pl.DataFrame:
        assert self.storage is not None, "files are of a storage"
        frame = event_frame(self.storage.read(path, EVENT_COLUMNS))
        ends = pl.col("partition").replace_strict(dict(selection.before), default=0)
        return of_account(frame.filter(pl.col("offset") < ends), selection)

    async def _read_log(
        self, selection: EventSelection, archived: Mapping[int, int]
    ) -> pl.DataFrame:
        frames = [events_of([])]
        starts = {p: archived.get(p, 0) for p in selection.before}
        behind = {p: end for p, end in sorted(selection.before.items()) if starts[p] < end}
        if not behind:
            return frames[0]
        async with log_consumer(self.kafka_bootstrap) as consumer:
            for partition, end in behind.items():
                place = TopicPartition(self.topic.name, partition)
                consumer.assign([place])
                begin = (await consumer.beginning_offsets([place]))[place]
                position = max(begin, starts[partition])
                consumer.seek(place, position)
                while position < end:
                    fetched = await consumer.getmany(timeout_ms=500, max_records=RECORDS_PER_READ)
                    batch = fetched.get(place, [])
                    events = events_of([record_of(r) for r in batch if r.offset < end])
                    # Only what is asked for is kept: memory holds one account's events.
                    frames.append(of_account(events, selection))
                    position = await consumer.position(place)
        return pl.concat(frames)


def _is_needed_whole(file: ManifestRow, selection: EventSelection) -> bool:
    """Tell whether a file has events of the selected days, or versions of any events."""
    day = file.usage_day
    if day is None or file.versions:
        return True
    after_first = selection.first is None or day >= selection.first
    return after_first and (selection.end is None or day < selection.end)


def _ids_with_versions(frames: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Return the ids that have revisions or corrections."""
    is_version = (pl.col("revision") > 0) | (pl.col("corrects") != "")
    versions = [f.filter(is_version).select("tenant_id", event_id=_TARGET_ID) for f in frames]
    return pl.concat(versions).unique()


def of_account(events: pl.DataFrame, selection: EventSelection) -> pl.DataFrame:
    """Return the events of the selection's account and tenants, of all days."""
    account = selection.account
    own = events.filter(pl.col("vendor_id") == account.vendor_id, pl.col("mode") == account.mode)
    if selection.tenant_id is not None:
        own = own.filter(pl.col("tenant_id") == selection.tenant_id)
    if selection.tenants is not None:
        own = own.filter(pl.col("tenant_id").is_in(sorted(selection.tenants)))
    return own


async def select_effective(
    connection: AsyncConnection, events: pl.DataFrame, selection: EventSelection
) -> pl.DataFrame:
    """Return what counts of an account's events, on the selected days."""
    rejected = _positions(await read_rejected_positions(connection, selection.account))
    losers = _positions(await read_natural_losers(connection, selection.account))
    effective = effective_events(events.join(rejected, on=POSITION, how="anti"), losers)
    if selection.first is not None:
        effective = effective.filter(pl.col("occurred_at") >= day_start(selection.first))
    if selection.end is not None:
        effective = effective.filter(pl.col("occurred_at") < day_start(selection.end))
    return effective


def _positions(rows: Sequence[Any]) -> pl.DataFrame:
    schema = dict.fromkeys(POSITION, pl.Int64)
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")
