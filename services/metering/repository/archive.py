"""The SQL of the archive: its offsets, moved by compare-and-set, and the manifest of its files."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any

from sqlalchemy import Row, bindparam, select, text
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.types import BigInteger, Integer

from services.metering.repository.offsets import FencedError
from services.metering.tables import archive_file, archive_offset
from shared.topics import USAGE_RECORDED


@dataclass(frozen=True)
class ManifestRow:
    """One file: the records [first_offset, end_offset) of a partition, one usage day of them.

    `usage_day` is None for files of several days and of corrections without a day.
    """

    path: str
    partition: int
    first_offset: int
    end_offset: int
    usage_day: date | None
    rows: int
    versions: int
    size: int
    sha256: bytes


async def read_archive_offsets(connection: AsyncConnection) -> dict[int, int]:
    """Return up to where each partition is archived, exclusive; a partition may be missing."""
    query = select(archive_offset.c.partition, archive_offset.c.next_offset)
    rows = await connection.execute(query.where(archive_offset.c.topic == USAGE_RECORDED.name))
    return {row.partition: row.next_offset for row in rows}


async def provision_archive(connection: AsyncConnection, partitions: Sequence[int]) -> None:
    """Begin the offsets of partitions that have none."""
    rows = [{"topic": USAGE_RECORDED.name, "partition": p, "next_offset": 0} for p in partitions]
    await connection.execute(insert(archive_offset).on_conflict_do_nothing(), rows)


async def record_files(
    connection: AsyncConnection,
    partition: int,
    *,
    expected: int,
    new: int,
    files: Sequence[ManifestRow],
) -> None:
    """Move a partition's offset and make files exist; raises `FencedError` for a stale archiver."""
    moved = await connection.execute(
        archive_offset.update()
        .where(
            archive_offset.c.topic == USAGE_RECORDED.name,
            archive_offset.c.partition == partition,
            archive_offset.c.next_offset == expected,
        )
        .values(next_offset=new)
        .returning(archive_offset.c.partition)
    )
    if moved.first() is None:
        raise FencedError(f"partition {partition} was archived beyond {expected} by another")
    if files:
        rows = [asdict(file) for file in files]
        await connection.execute(
            archive_file.insert(), [{**row, "bytes": row.pop("size")} for row in rows]
        )


_HOLDING = text(
    """
    select distinct f.path, f.partition
    from unnest(:partitions, :offsets) as wanted (partition, "offset")
    join metering.archive_file f
      on f.partition = wanted.partition
     and f.first_offset <= wanted."offset" and f.end_offset > wanted."offset"
    order by f.path
    """
).bindparams(
    bindparam("partitions", type_=ARRAY(Integer)), bindparam("offsets", type_=ARRAY(BigInteger))
)


async def find_files_holding(
    connection: AsyncConnection, records: Sequence[tuple[int, int]]
) -> list[str]:
    """Return the paths of the files that hold any of these (partition, offset)."""
    values = {"partitions": [p for p, _ in records], "offsets": [o for _, o in records]}
    return [row.path for row in await connection.execute(_HOLDING, values)]


async def list_files(connection: AsyncConnection, below: Mapping[int, int]) -> list[ManifestRow]:
    """Return the files with records below the offset vector, in the order of their offsets."""
    order = (archive_file.c.partition, archive_file.c.first_offset, archive_file.c.path)
    rows = await connection.execute(select(archive_file).order_by(*order))
    return [_manifest_row(row) for row in rows if row.first_offset < below.get(row.partition, 0)]


def _manifest_row(row: Row[Any]) -> ManifestRow:
    return ManifestRow(
        path=row.path,
        partition=row.partition,
        first_offset=row.first_offset,
        end_offset=row.end_offset,
        usage_day=row.usage_day,
        rows=row.rows,
        versions=row.versions,
        size=row.bytes,
        sha256=row.sha256,
    )
