"""Identities as columns, and the segments that keep time-ordered ones.

A UUIDv7 carries its time. Per flush, partition and bucket of time one segment holds the new ids
with what is needed to judge a re-send: tenant, fingerprint, revision and where the event lies.
Membership touches the buckets of the batch only, so its cost does not follow the number of ids.
Ids that are not time-ordered are rows of a table with a unique key.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import polars as pl
import pyarrow as pa

ORDERED = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"
"""A canonical UUIDv7 (RFC 9562): its first 48 bits are milliseconds since 1970."""
BUCKET_BITS = 10
"""A bucket is 2^10 ms wide: at high rates it holds about what one flush brings."""
CACHED_ENTRIES_MAX = 250_000
"""Entries of recent buckets kept in memory, about 45 bytes each; older ones are read again."""
PLAIN_ENTRIES_MAX = 16
"""Smaller segments are not worth packing."""
CHUNKS_MAX = 16

Bucket = tuple[int, int]
"""(partition, milliseconds since 1970 >> BUCKET_BITS)."""

COUNTED, NATURAL_DUPLICATE = 0, 1

_COLUMNS: dict[str, tuple[type[np.generic], pl.DataType]] = {
    "id_high": (np.uint64, pl.UInt64()),
    "id_low": (np.uint64, pl.UInt64()),
    "tenant_number": (np.uint32, pl.UInt32()),
    "digest": (np.uint64, pl.UInt64()),
    "revision": (np.int32, pl.Int32()),
    "offset": (np.int64, pl.Int64()),
    "index": (np.int32, pl.Int32()),
    "usage_day": (np.int32, pl.Int32()),
    "booked_day": (np.int32, pl.Int32()),
    "state": (np.uint8, pl.UInt8()),
}
_ENTRY_BYTES = sum(np.dtype(kind).itemsize for kind, _ in _COLUMNS.values())
_KEPT = ("id_high", "id_low", "tenant_number", "digest", "revision", "offset", "index", "state")
_PLAIN, _PACKED = b"\0", b"\1"
_CODEC = pa.Codec("zstd", compression_level=1)


def with_identity(frame: pl.DataFrame) -> pl.DataFrame:
    """Add `target_id`, `digest`, and of time-ordered targets `id_high`, `id_low`, `bucket`.

    The digest is the first 8 bytes of the fingerprint. The target is the event that a correction
    names, else the event itself. For other ids the three columns are null.
    """
    target = pl.when(pl.col("corrects") == "").then("event_id").otherwise("corrects")
    frame = frame.with_columns(
        target_id=target,
        digest=_integer(pl.col("fingerprint").bin.head(8)),
    )
    plain = pl.col("target_id").str.replace_all("-", "", literal=True)
    code = plain.str.decode("hex", strict=False)
    ordered = pl.col("target_id").str.contains(ORDERED)
    code = pl.when(ordered).then(code)
    return frame.with_columns(
        id_high=_integer(code.bin.slice(0, 8)), id_low=_integer(code.bin.slice(8, 8))
    ).with_columns(bucket=(pl.col("id_high") // 2 ** (16 + BUCKET_BITS)).cast(pl.Int64))


def _integer(code: pl.Expr) -> pl.Expr:
    return code.bin.reinterpret(dtype=pl.UInt64(), endianness="big")


def pack(entries: pl.DataFrame) -> bytes:
    """Return one segment: the entries' columns one after the other, packed unless very few."""
    plain = b"".join(
        entries[name].to_numpy().astype(kind, copy=False).tobytes()
        for name, (kind, _) in _COLUMNS.items()
    )
    if entries.height <= PLAIN_ENTRIES_MAX:
        return _PLAIN + plain
    length = entries.height.to_bytes(4, "big")
    return _PACKED + length + bytes(_CODEC.compress(plain, asbytes=True))


def unpack(segment: bytes) -> pl.DataFrame:
    """Return the entries of one segment; days are days since 1970."""
    if segment[:1] == _PLAIN:
        plain = memoryview(segment)[1:]
        height = len(plain) // _ENTRY_BYTES
    else:
        height = int.from_bytes(segment[1:5], "big")
        plain = memoryview(
            _CODEC.decompress(segment[5:], decompressed_size=height * _ENTRY_BYTES, asbytes=True)
        )
    columns, begin = {}, 0
    for name, (kind, dtype) in _COLUMNS.items():
        end = begin + height * np.dtype(kind).itemsize
        columns[name] = pl.Series(name, np.frombuffer(plain[begin:end], kind), dtype=dtype)
        begin = end
    return pl.DataFrame(columns)


def segments(entries: pl.DataFrame) -> Iterator[tuple[Bucket, pl.DataFrame]]:
    """Yield the new time-ordered entries of a flush by bucket; other ids are left out."""
    ordered = entries.filter(pl.col("bucket").is_not_null())
    if ordered.is_empty():
        return
    for key, own in ordered.partition_by(
        "partition", "bucket", maintain_order=True, as_dict=True, include_key=False
    ).items():
        partition, bucket = key
        yield (int(partition), int(bucket)), own


@dataclass
class SegmentCache:
    """Recent buckets in memory, least recently used ones dropped first.

    Valid while nobody else counts the partition: the compare-and-set of offsets says so at every
    flush. A bucket that is here is here whole.
    """

    entries_max: int = CACHED_ENTRIES_MAX
    _buckets: OrderedDict[Bucket, pl.DataFrame] = field(default_factory=OrderedDict)
    _entries: int = 0

    def missing(self, buckets: Iterable[Bucket]) -> list[Bucket]:
        """Return the buckets that have to be read from the table."""
        return [bucket for bucket in buckets if bucket not in self._buckets]

    def known(self, buckets: Iterable[Bucket]) -> pl.DataFrame:
        """Return the entries of buckets that are all here."""
        frames = []
        for bucket in buckets:
            self._buckets.move_to_end(bucket)
            frames.append(self._buckets[bucket])
        return pl.concat(frames, rechunk=False) if frames else _nothing()

    def add(self, bucket: Bucket, entries: pl.DataFrame | None) -> None:
        """Add entries to a bucket; None says that it is empty in the table."""
        new = _nothing() if entries is None else entries.select(_KEPT)
        own = self._buckets.get(bucket)
        if own is not None:
            new = pl.concat([own, new], rechunk=own.n_chunks() >= CHUNKS_MAX)
            self._entries -= own.height
        self._buckets[bucket] = new
        self._buckets.move_to_end(bucket)
        self._entries += new.height

    def holds(self, bucket: Bucket) -> bool:
        """Tell whether the bucket is here."""
        return bucket in self._buckets

    def shrink(self) -> None:
        """Drop the least recently used buckets above the limit (also of empty ones)."""
        while self._buckets and (
            self._entries > self.entries_max or len(self._buckets) > self.entries_max // 8
        ):
            _, dropped = self._buckets.popitem(last=False)
            self._entries -= dropped.height

    def clear(self) -> None:
        """Drop everything."""
        self._buckets.clear()
        self._entries = 0

    def forget(self, partition: int) -> None:
        """Drop everything of a partition that somebody else counts from now on."""
        for bucket in [b for b in self._buckets if b[0] == partition]:
            self._entries -= self._buckets.pop(bucket).height


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(schema={name: _COLUMNS[name][1] for name in _KEPT})
