"""How events lie in the archive: one Parquet file per range of records and usage day.

All events of the log go in as they are, those that were not counted included. Beside the columns
of the log stand the position, the usage day, and one column per known token type: sums need not
unfold lists.
"""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet

from services.metering.domain.token_types import TOKEN_TYPES
from services.metering.repository.archive import ManifestRow
from services.metering.worker.reading import POSITION, Record, rows_of
from shared.events.usage_recorded import SCHEMA

pc: Any = pyarrow.compute
pq: Any = pyarrow.parquet

DAYS_PER_CUT_MAX = 128
"""Days that get files of their own in one cut; events of further days share one file."""
ROWS_PER_GROUP = 64 * 1024
COMPRESSION_LEVEL = 3

TOKEN_COLUMNS = {kind: f"tokens_{kind}" for kind in TOKEN_TYPES}
WIDE = "is_wide"
FILE_SCHEMA = pa.schema(
    [
        *SCHEMA,
        *(pa.field(name, pa.int64(), nullable=False) for name in POSITION),
        pa.field("usage_day", pa.date32()),
        pa.field(WIDE, pa.bool_(), nullable=False),
        *(pa.field(name, pa.int64()) for name in TOKEN_COLUMNS.values()),
    ]
)
"""`usage_day` is null for voids. Where `is_wide`, the token columns hold all of the event's token
counts (null: absent); elsewhere they are null and only the lists count.
"""
_UNIQUE = ("event_id", "fingerprint", "response_id", "run_id", "tags")
_DICTIONARIES = [
    name
    for name in FILE_SCHEMA.names
    if FILE_SCHEMA.field(name).type == pa.string() and name not in _UNIQUE
]


@dataclass(frozen=True)
class Cut:
    """The records [first, end) of one partition, decoded; what cannot be decoded is left out."""

    partition: int
    first: int
    end: int
    rows: pa.Table


@dataclass(frozen=True)
class ArchiveFile:
    """One file to be written, and its row in the manifest."""

    manifest: ManifestRow
    content: bytes


def cut(partition: int, records: Iterable[Record]) -> Cut:
    """Decode contiguous records of one partition, at least one."""
    records = list(records)
    tables = []
    for record in records:
        table, indexes = rows_of(record)
        if indexes:
            tables.append(_with_position(table, record, indexes))
    rows = pa.concat_tables(tables) if tables else _POSITIONED.empty_table()
    return Cut(partition, records[0].offset, records[-1].offset + 1, rows)


_POSITIONED = pa.schema([*SCHEMA, *(FILE_SCHEMA.field(name) for name in POSITION)])


def _with_position(table: pa.Table, record: Record, indexes: list[int]) -> pa.Table:
    length = len(table)
    positions = (
        pa.array(np.full(length, record.partition, np.int64)),
        pa.array(np.full(length, record.offset, np.int64)),
        pa.array(indexes, pa.int64()),
    )
    columns = [*table.columns, *(pa.chunked_array([p]) for p in positions)]
    return pa.Table.from_arrays(columns, schema=_POSITIONED)


def files_of(cut: Cut) -> Iterator[ArchiveFile]:
    """Yield the files of a cut, one usage day after the other, each complete in memory."""
    if not len(cut.rows):
        return
    table = _widen(cut.rows)
    days = table["usage_day"].combine_chunks()
    counts = sorted(
        ((row["counts"], row["values"]) for row in pc.value_counts(days).to_pylist()),
        key=lambda entry: (-entry[0], entry[1] or date.min),
    )
    own = [day for _, day in counts if day is not None][:DAYS_PER_CUT_MAX]
    for day in sorted(own):
        yield _file(cut, table.filter(pc.equal(days, pa.scalar(day, pa.date32()))), day, str(day))
    is_dayless = pc.is_null(days)
    if pc.any(is_dayless).as_py():
        yield _file(cut, table.filter(is_dayless), None, "corrections")
    is_own = pc.is_in(days, value_set=pa.array(own, pa.date32()))
    mixed = table.filter(pc.and_(pc.is_valid(days), pc.invert(is_own)))
    if len(mixed):
        yield _file(cut, mixed, None, "several-days")


def _file(cut: Cut, rows: pa.Table, usage_day: date | None, name: str) -> ArchiveFile:
    content = _encode(rows)
    digest = hashlib.sha256(content).digest()
    # The name holds the content's digest: no writer can replace a file by a different one.
    folder = f"usage.recorded/{cut.partition:04d}/{cut.first:020d}-{cut.end:020d}"
    is_version = pc.or_(pc.greater(rows["revision"], 0), pc.not_equal(rows["corrects"], ""))
    manifest = ManifestRow(
        path=f"{folder}/{name}-{digest.hex()[:16]}.parquet",
        partition=cut.partition,
        first_offset=cut.first,
        end_offset=cut.end,
        usage_day=usage_day,
        rows=len(rows),
        versions=int(pc.sum(is_version).as_py() or 0),
        size=len(content),
        sha256=digest,
    )
    return ArchiveFile(manifest, content)


def _encode(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(
        rows,
        sink,
        compression="zstd",
        compression_level=COMPRESSION_LEVEL,
        use_dictionary=_DICTIONARIES,
        row_group_size=ROWS_PER_GROUP,
    )
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def _widen(rows: pa.Table) -> pa.Table:
    """Add the usage day and the token columns."""
    day = pc.cast(pc.floor_temporal(rows["occurred_at"], unit="day"), pa.date32())
    is_wide, tokens = _tokens(rows)
    columns: list[Any] = [*rows.columns, day, pa.array(is_wide), *tokens]
    return pa.Table.from_arrays(columns, schema=FILE_SCHEMA)


def _tokens(rows: pa.Table) -> tuple[Any, list[Any]]:
    """Return which rows the token columns hold whole, and the columns in their order."""
    types = rows["token_types"].combine_chunks()
    counts = rows["token_counts"].combine_chunks()
    lengths = pc.list_value_length(types)
    # Whoever may write the topic may write lists of different lengths: those stay lists.
    paired = pc.equal(lengths, pc.list_value_length(counts))
    types = pc.if_else(paired, types, pa.scalar(None, types.type))
    counts = pc.if_else(paired, counts, pa.scalar(None, counts.type))
    parents = pc.list_parent_indices(types).to_numpy()
    codes = pc.index_in(pc.list_flatten(types), value_set=pa.array(TOKEN_TYPES)).fill_null(-1)
    values = pc.list_flatten(counts)
    known = (codes.to_numpy() >= 0) & pc.is_valid(values).to_numpy(zero_copy_only=False)
    plain = pc.fill_null(values, 0).to_numpy()
    kinds = codes.to_numpy()
    found = np.zeros(len(rows), np.int64)
    columns = []
    for code in range(len(TOKEN_TYPES)):
        own = known & (kinds == code)
        column = np.zeros(len(rows), np.int64)
        absent = np.ones(len(rows), np.bool_)
        column[parents[own]] = plain[own]
        absent[parents[own]] = False
        found += ~absent
        columns.append((column, absent))
    is_wide = paired.to_numpy(zero_copy_only=False) & (found == lengths.to_numpy())
    return is_wide, [pa.array(column, mask=absent | ~is_wide) for column, absent in columns]
