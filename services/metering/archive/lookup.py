"""Single events by their positions: from the log while it keeps them, else from the archive."""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import structlog

from services.metering.archive.log_reader import read_records_at
from services.metering.archive.storage import ArchiveStorage
from services.metering.domain.versions import Position
from services.metering.repository.archive import find_files_holding
from services.metering.worker.reading import POSITION, events_of
from shared.database import Database
from shared.events.usage_recorded import SCHEMA

logger = structlog.get_logger()

EVENT_COLUMNS = (*SCHEMA.names, *POSITION)
_EMPTY = pl.DataFrame(pl.from_arrow(SCHEMA.empty_table())).with_columns(
    pl.lit(None, pl.Int64).alias(name) for name in POSITION
)
EVENT_SCHEMA = _EMPTY.schema
"""The columns of `SCHEMA`, then partition, offset and index."""


@dataclass(frozen=True)
class EventLookup:
    """Finds whole events again."""

    kafka_bootstrap: str
    database: Database
    archive: ArchiveStorage

    async def read_events(self, positions: Sequence[Position]) -> pl.DataFrame:
        """Return the events at these positions, in their order: `SCHEMA` and the position.

        What is neither in the log nor in the archive is left out. Raises TimeoutError or a
        KafkaError when the broker does not answer.
        """
        if not positions:
            return _EMPTY
        wanted: dict[int, set[int]] = defaultdict(set)
        for partition, offset, _ in positions:
            wanted[partition].add(offset)
        records = await read_records_at(self.kafka_bootstrap, wanted)
        here = {(record.partition, record.offset) for record in records}
        missing = [position for position in positions if position[:2] not in here]
        return _pick([events_of(records), await self.read_archived(missing)], positions)

    async def read_archived(self, positions: Sequence[Position]) -> pl.DataFrame:
        """Return those of the events that are in the archive."""
        records = sorted({(partition, offset) for partition, offset, _ in positions})
        if not records:
            return _EMPTY
        async with self.database.transaction() as connection:
            paths = await find_files_holding(connection, records)
        wanted = pl.DataFrame(
            records, schema={"partition": pl.Int64, "offset": pl.Int64}, orient="row"
        )
        frames = []
        for path in paths:
            table = await asyncio.to_thread(self.archive.read, path, EVENT_COLUMNS)
            frame = event_frame(table)
            frames.append(frame.join(wanted, on=["partition", "offset"], how="semi"))
        return _pick(frames, positions)


def event_frame(table: pa.Table) -> pl.DataFrame:
    """Return rows of the archive in the form of the log's events."""
    frame = pl.DataFrame(pl.from_arrow(table))
    return frame.select(pl.col(name).cast(dtype) for name, dtype in EVENT_SCHEMA.items())


def _pick(frames: Sequence[pl.DataFrame], positions: Sequence[Position]) -> pl.DataFrame:
    wanted = pl.DataFrame(
        sorted(set(positions)), schema=dict.fromkeys(POSITION, pl.Int64), orient="row"
    )
    found = pl.concat([_EMPTY, *frames], how="vertical")
    return wanted.join(found, on=POSITION, how="inner", maintain_order="left").select(EVENT_COLUMNS)
