"""The events of one gather: collected as columns, written as one record per partition."""

from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from services.metering.ingest.envelope import PlacedEvents
from shared.events.usage_recorded import SCHEMA

EVENTS_PER_ENVELOPE_MAX = 5_000
ENVELOPE_BYTES_MAX = 4 * 1024 * 1024
"""JSON bytes of the events of one envelope: as Arrow it stays far below the largest record."""

_TEXT = pa.string()
_NAMES = pa.list_(_TEXT)
_TYPES = [_TEXT if field.type == _TEXT else field.type for field in SCHEMA]
_STREAM_BEGIN = SCHEMA.serialize().to_pybytes()
_STREAM_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
SMALL_EVENTS_MAX = 64
CONSTANTS_KEPT_MAX = 4_096
"""Making an array costs as much as its first hundred values: small ones are worth keeping."""
_BLANKS_MAX = 20_000
_NO_OFFSETS = pa.py_buffer(bytes(4 * (_BLANKS_MAX + 1)))
_NO_BYTES = pa.py_buffer(b"")


class EventBatch:
    """Placed events of any number of requests.

    The columns of all partitions are made at once and then cut: making an array costs the same for
    one event and for a hundred.
    """

    def __init__(self) -> None:
        self._partitions: list[int] = []
        self._sizes: list[int] = []
        self._columns: list[list[Any]] = [[] for _ in SCHEMA]

    def __len__(self) -> int:
        return len(self._partitions)

    def add(self, events: PlacedEvents) -> None:
        """Take in the events of one request."""
        self._partitions += events.partitions
        self._sizes += events.sizes
        for column, more in zip(self._columns, events.columns, strict=True):
            column.extend(more)

    def records(self) -> list[tuple[int, bytes]]:
        """Return partitions and envelopes, each below the caps, the events in their order."""
        if not self._partitions:
            return []
        partitions = np.array(self._partitions, np.int32)
        order = np.argsort(partitions, kind="stable")
        events = _record_batch(self._columns).take(order)
        begins = np.flatnonzero(np.diff(partitions[order], prepend=-1))
        records = []
        for begin, end in pairwise((*begins.tolist(), len(order))):
            partition = int(partitions[order[begin]])
            sizes = [self._sizes[index] for index in order[begin:end]]
            for first, last in _cuts(sizes):
                part = events.slice(begin + first, last - first)
                records.append((partition, _stream(part)))
        return records


def _cuts(sizes: list[int]) -> Iterator[tuple[int, int]]:
    """Yield [begin, end) of each envelope of these events."""
    begin = size = 0
    if len(sizes) > EVENTS_PER_ENVELOPE_MAX or sum(sizes) > ENVELOPE_BYTES_MAX:
        for index, more in enumerate(sizes):
            full = size + more > ENVELOPE_BYTES_MAX or index - begin >= EVENTS_PER_ENVELOPE_MAX
            if full and index > begin:
                yield begin, index
                begin, size = index, 0
            size += more
    yield begin, len(sizes)


def encode_envelope(rows: Sequence[Sequence[Any]]) -> bytes:
    """Return rows in the order of `SCHEMA` as an Arrow IPC stream of one record batch."""
    return _stream(_record_batch(list(zip(*rows, strict=True))))


def _record_batch(columns: Sequence[Sequence[Any]]) -> pa.RecordBatch:
    arrays = [_array(column, kind) for column, kind in zip(columns, _TYPES, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)


def _stream(events: pa.RecordBatch) -> bytes:
    # The same bytes as from a stream writer, which costs as much as ten events.
    return b"".join((_STREAM_BEGIN, events.serialize(), _STREAM_END))


def _array(column: Sequence[Any], kind: "pa.DataType") -> "pa.Array[Any]":
    """Return a column; most text columns of most batches hold one value, many of them nothing."""
    first, length = column[0], len(column)
    if kind is not _TEXT:
        return _names(column) if kind == _NAMES else pa.array(column, kind)
    if first == "" and length <= _BLANKS_MAX and not any(column):
        return _blank(length)
    if column[-1] == first and column.count(first) == length:
        small = length <= SMALL_EVENTS_MAX
        return _constant(first, length) if small else pa.repeat(first, length)
    return pa.array(column, kind)


def _names(column: Sequence[Sequence[str]]) -> "pa.Array[Any]":
    """Return a column of lists; events count the same few combinations of types."""
    places: dict[tuple[str, ...], int] = {}
    indices = [places.setdefault(tuple(names), len(places)) for names in column]
    return pa.array(list(places), _NAMES).take(np.array(indices, np.int32))


@cache
def _blank(length: int) -> "pa.Array[Any]":
    return pa.StringArray.from_buffers(length, _NO_OFFSETS, _NO_BYTES)


@lru_cache(CONSTANTS_KEPT_MAX)
def _constant(value: str, length: int) -> "pa.Array[Any]":
    return pa.array([value] * length, _TEXT)
