"""From sums to single events: pages over the archive and what is not archived yet.

Pages follow the order of the log: by partition, offset and index. An event has the same position in
the log and in the archive, so no page misses or repeats one that is archived in between.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from typing import Any

import msgspec
import polars as pl
from aiokafka import TopicPartition

from services.metering.archive.log_reader import log_consumer
from services.metering.archive.lookup import EVENT_COLUMNS, EVENT_SCHEMA
from services.metering.archive.parquet_rows import open_duckdb, rows_of
from services.metering.archive.storage import ArchiveStorage
from services.metering.domain.versions import Position
from services.metering.repository import archive as repository
from services.metering.repository.archive import ManifestRow
from services.metering.repository.usage import Window
from services.metering.repository.verification import read_rejected_positions
from services.metering.worker.incoming import record_of
from services.metering.worker.reading import POSITION, Record, events_of
from shared.database import Database
from shared.topics import USAGE_RECORDED

FILES_PER_QUERY = 64
RECORDS_PER_PAGE_MAX = 512
"""Records of the log that one page reads at most; the next page goes on behind them."""
BYTES_PER_PAGE_MAX = 32 * 1024 * 1024
READ_SECONDS_MAX = 15.0
FETCH_MILLISECONDS = 500
QUERIES_MAX = 2
"""Questions that are worked on at the same time."""
MEMORY = "512MB"
LAST_INDEX = 2**31 - 1


class Cursor(msgspec.Struct, frozen=True, array_like=True):
    """Where the next page begins: behind `after`, up to the offsets `ends`, exclusive."""

    after: Position
    ends: dict[int, int]


@dataclass(frozen=True)
class Filters:
    """Whose events, used on which days, and what else they must equal."""

    window: Window
    equal: Mapping[str, str] = field(default_factory=dict)
    kind: str | None = None


@dataclass(frozen=True)
class Page:
    """Events in the order of the log, and where the next page begins: None at the end."""

    events: list[dict[str, Any]]
    next: Cursor | None


@dataclass(frozen=True)
class DrillDown:
    """Reads pages of events."""

    kafka_bootstrap: str
    database: Database
    storage: ArchiveStorage
    _turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(QUERIES_MAX))

    async def read_page(self, filters: Filters, cursor: Cursor, *, limit: int) -> Page:
        """Return the next page: at most `limit` events, fewer (or none) also before the end.

        Raises TimeoutError or a KafkaError when the broker does not answer.
        """
        async with self._turns:
            async with self.database.transaction("REPEATABLE READ") as connection:
                archived = await repository.read_archive_offsets(connection)
                files = await repository.list_files(connection, cursor.ends)
                rejected = await read_rejected_positions(connection, filters.window.account)
            search = _Search(filters, cursor, limit, frozenset(tuple(row) for row in rejected))
            found = [await asyncio.to_thread(self._search_files, search, files)]
            frame, scanned = await self._search_log(search, archived)
            found.append(frame)
        return search.page(pl.concat(found, how="vertical"), scanned)

    def _search_files(self, search: "_Search", files: Sequence[ManifestRow]) -> pl.DataFrame:
        """Return the first events of the archive behind the cursor: enough for a page."""
        wanted = [file for file in files if search.may_hold(file)]
        found = pl.DataFrame(schema=EVENT_SCHEMA)
        with open_duckdb(threads=1, memory=MEMORY) as connection:
            for number, begin in enumerate(range(0, len(wanted), FILES_PER_QUERY)):
                # Ranges of offsets are whole: what comes later cannot lie before what was found.
                chunk = wanted[begin : begin + FILES_PER_QUERY]
                paths = [file.path for file in chunk]
                source = rows_of(connection, self.storage, paths, name=f"source_{number}")
                query, values = search.query(source)
                found = pl.concat(
                    [found, search.keep(_frame(connection.sql(query, params=values)))]
                )
                last = chunk[-1]
                rest = wanted[begin + FILES_PER_QUERY :]
                split = bool(rest) and rest[0].first_offset == last.first_offset
                if found.height > search.limit and not split:
                    break
        return found

    async def _search_log(
        self, search: "_Search", archived: Mapping[int, int]
    ) -> tuple[pl.DataFrame, Position | None]:
        """Return events of what is not archived, and up to where the log was read if not whole."""
        found = pl.DataFrame(schema=EVENT_SCHEMA)
        begins = search.unarchived(archived)
        if not begins:
            return found, None
        left = RECORDS_PER_PAGE_MAX
        async with asyncio.timeout(READ_SECONDS_MAX):
            async with log_consumer(self.kafka_bootstrap) as consumer:
                for partition, begin in begins.items():
                    end = search.cursor.ends[partition]
                    stop = min(end, begin + left)
                    records = await _read_range(consumer, partition, begin, stop)
                    left -= stop - begin
                    found = pl.concat([found, search.keep(_matching(search, records))])
                    reached = records[-1].offset + 1 if records else stop
                    if reached < end:
                        return found, (partition, reached - 1, LAST_INDEX)
                    if found.height > search.limit or left <= 0:
                        return found, (partition, end, LAST_INDEX)
        return found, None


async def _read_range(consumer: Any, partition: int, begin: int, end: int) -> list[Record]:
    """Return the records [begin, end), or fewer of them when they are large."""
    place = TopicPartition(USAGE_RECORDED.name, partition)
    consumer.assign([place])
    begin = max(begin, (await consumer.beginning_offsets([place]))[place])
    consumer.seek(place, begin)
    records: list[Record] = []
    size = 0
    while (records[-1].offset + 1 if records else begin) < end and size < BYTES_PER_PAGE_MAX:
        fetched = await consumer.getmany(timeout_ms=FETCH_MILLISECONDS)
        for record in fetched.get(place, []):
            if record.offset < end and size < BYTES_PER_PAGE_MAX:
                records.append(record_of(record))
                size += len(record.value or b"")
    return records


@dataclass(frozen=True)
class _Search:
    filters: Filters
    cursor: Cursor
    limit: int
    rejected: frozenset[tuple[Any, ...]]

    def may_hold(self, file: ManifestRow) -> bool:
        """Tell whether a file can have events of the next pages."""
        window = self.filters.window
        partition, offset, _ = self.cursor.after
        if (file.partition, file.end_offset) <= (partition, offset):
            return False
        if file.usage_day is None:
            return file.rows > file.versions
        return window.first <= file.usage_day < window.end

    def unarchived(self, archived: Mapping[int, int]) -> dict[int, int]:
        """Return where the log is to be read from, by partition in their order."""
        partition, offset, _ = self.cursor.after
        begins = {}
        for own, end in sorted(self.cursor.ends.items()):
            begin = archived.get(own, 0)
            if own == partition:
                begin = max(begin, offset)
            if own >= partition and begin < end:
                begins[own] = begin
        return begins

    def query(self, source: str) -> tuple[str, list[Any]]:
        """Return the query of the events behind the cursor, and its values."""
        window = self.filters.window
        ends = [self.cursor.ends.get(p, 0) for p in range(max(self.cursor.ends, default=0) + 1)]
        conditions: dict[str, list[Any]] = {
            '(partition, "offset", "index") > (?, ?, ?)': [*self.cursor.after],
            '"offset" < list_extract(?, partition + 1)': [ends],
            "vendor_id = ? and mode = ?": [window.account.vendor_id, window.account.mode],
            "occurred_at >= ? and occurred_at < ?": [_start(window.first), _start(window.end)],
        }
        if window.tenant_id is not None:
            conditions["tenant_id = ?"] = [window.tenant_id]
        for name, value in self.filters.equal.items():
            conditions[f'"{name}" = ?'] = [value]
        if self.filters.kind is not None:
            kinds = "list_contains(list_concat(token_types, unit_names), ?)"
            conditions[kinds] = [self.filters.kind]
        columns = ", ".join(f'"{name}"' for name in EVENT_COLUMNS)
        text = (
            f"select {columns} from {source} where {' and '.join(conditions)} "  # noqa: S608
            f'order by partition, "offset", "index" limit {self.limit + 1 + len(self.rejected)}'
        )
        return text, [value for values in conditions.values() for value in values]

    def keep(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Return the rows of a query without those that were rejected."""
        frame = frame.select(pl.col(name).cast(dtype) for name, dtype in EVENT_SCHEMA.items())
        if not self.rejected:
            return frame
        gone = pl.DataFrame(
            sorted(self.rejected), schema=dict.fromkeys(POSITION, pl.Int64), orient="row"
        )
        return frame.join(gone, on=POSITION, how="anti", maintain_order="left")

    def page(self, found: pl.DataFrame, scanned: Position | None) -> Page:
        """Return the first events of what was found, up to where everything was read."""
        found = found.sort(POSITION)
        if scanned is not None:
            found = found.filter(_not_beyond(scanned))
        own = found.head(self.limit)
        if found.height > self.limit:
            last = own.select(POSITION).row(-1)
            return Page(own.to_dicts(), Cursor((last[0], last[1], last[2]), self.cursor.ends))
        return Page(own.to_dicts(), scanned and Cursor(scanned, self.cursor.ends))


def _not_beyond(bound: Position) -> pl.Expr:
    partition, offset, _ = bound
    return (pl.col("partition") < partition) | (
        (pl.col("partition") == partition) & (pl.col("offset") <= offset)
    )


def _matching(search: _Search, records: Sequence[Record]) -> pl.DataFrame:
    """Return the events of records that a page asks for, by the same query as in the archive."""
    with open_duckdb(threads=1, memory=MEMORY) as connection:
        connection.register("log", events_of(records).to_arrow())
        query, values = search.query("log")
        return _frame(connection.sql(query, params=values))


def _frame(answer: Any) -> pl.DataFrame:
    return pl.DataFrame(pl.from_arrow(answer.to_arrow_table()))


def _start(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
