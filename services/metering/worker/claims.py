"""Claiming identities: which events of a flush are first, seen before, in conflict, or corrections.

Whole columns are judged at once. Only ids with more than one version, or with corrections, are
looked at one by one (worker/overlays.py).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository import identities as repository
from services.metering.repository.identities import Target
from services.metering.worker import identity
from services.metering.worker.identity import COUNTED, NATURAL_DUPLICATE
from services.metering.worker.memory import Memory
from services.metering.worker.reading import POSITION
from shared.ids import length_prefixed

IDENTITY = ("tenant_number", "target_id")
STORED = ("stored_revision", "stored_digest", "stored_state", "stored_offset", "stored_index")
KEY_BYTES = 16
CLAIMED = (
    *("vendor_id", "mode", *IDENTITY, "id_high", "id_low", "bucket", "digest", "revision"),
    *("corrects", "provider", "response_id", "instrument", *POSITION, "usage_day", "booked_day"),
)
"""What claiming looks at: every step copies rows, so it works on few columns."""


@dataclass(frozen=True)
class Claim:
    """The events of a flush as far as columns can tell; frames of `CLAIMED`.

    `first` are the first events of their ids with `state` (counted, or a duplicate by natural
    key); `others` the further events of an id with `reference_revision` and `reference_digest`;
    `special` the targets that need a look one by one.
    """

    first: pl.DataFrame
    others: pl.DataFrame
    special: set[Target]


async def number_tenants(
    connection: AsyncConnection, frame: pl.DataFrame, memory: Memory
) -> pl.DataFrame:
    """Add `tenant_number`, giving numbers to tenants that are seen for the first time."""
    columns = ["vendor_id", "mode", "tenant_id"]
    named = frame.select(columns)
    tenants: list[tuple[str, str, str]] = named.unique().rows()
    new = [tenant for tenant in tenants if tenant not in memory.tenant_numbers]
    if new:
        memory.tenant_numbers |= await repository.number_tenants(connection, new)
    numbers = pl.DataFrame(
        [(*tenant, memory.tenant_numbers[tenant]) for tenant in tenants],
        schema={**dict.fromkeys(columns, pl.String), "tenant_number": pl.UInt32},
        orient="row",
    )
    numbered = named.join(numbers, on=columns, how="left", maintain_order="left")
    return frame.with_columns(numbered["tenant_number"])


async def read_waiting(connection: AsyncConnection, frame: pl.DataFrame, memory: Memory) -> None:
    """Read once per partition which targets corrections wait for."""
    partitions = [p for p in frame["partition"].unique().to_list() if p not in memory.waiting]
    if not partitions:
        return
    memory.waiting |= {partition: set() for partition in partitions}
    for row in await repository.read_waiting(connection, partitions):
        memory.waiting[row.partition].add((row.tenant_number, row.target_id))


async def claim(connection: AsyncConnection, frame: pl.DataFrame, memory: Memory) -> Claim:
    """Tell first events from others, for all time; `frame` has the columns `CLAIMED`."""
    await read_waiting(connection, frame, memory)
    is_correction = pl.col("corrects") != ""
    ordinary = frame.filter(~is_correction)
    one_each = ordinary.unique(subset=IDENTITY, keep="first", maintain_order=True)
    stored = await lookup(connection, one_each, memory)
    one_each = one_each.join(stored, on=IDENTITY, how="left", maintain_order="left")
    is_new = pl.col("stored_revision").is_null()
    first = await _settle_natural_keys(connection, one_each.filter(is_new).drop(STORED))
    others = _others(ordinary, one_each, first)
    corrections = frame.filter(is_correction)
    special = _targets(corrections) | _targets(
        others.filter(pl.col("revision") > pl.col("reference_revision"))
    )
    special |= _waited_for(first, memory)
    special |= await _overlaid(connection, others)
    return Claim(first, others, special)


def _others(ordinary: pl.DataFrame, one_each: pl.DataFrame, first: pl.DataFrame) -> pl.DataFrame:
    if first.height == ordinary.height:
        return ordinary.clear().with_columns(
            reference_revision=pl.lit(0, pl.Int32), reference_digest=pl.lit(0, pl.UInt64)
        )
    references = one_each.select(
        *IDENTITY,
        reference_revision=pl.coalesce("stored_revision", "revision"),
        reference_digest=pl.coalesce("stored_digest", "digest"),
    )
    return ordinary.join(first, on=POSITION, how="anti", maintain_order="left").join(
        references, on=IDENTITY, how="left", maintain_order="left"
    )


def _targets(frame: pl.DataFrame) -> set[Target]:
    return set(frame.select(IDENTITY).unique().rows())


def _waited_for(first: pl.DataFrame, memory: Memory) -> set[Target]:
    waiting = set().union(*memory.waiting.values())
    return waiting & _targets(first) if waiting else set()


async def _overlaid(connection: AsyncConnection, others: pl.DataFrame) -> set[Target]:
    if others.is_empty():
        return set()
    found = await repository.read_overlays(connection, sorted(_targets(others)))
    return _targets(found)


async def lookup(
    connection: AsyncConnection, targets: pl.DataFrame, memory: Memory
) -> pl.DataFrame:
    """Return what is stored of distinct targets: identity and the columns of `STORED`."""
    ordered = targets.filter(pl.col("bucket").is_not_null())
    found = [await _lookup_ordered(connection, ordered, memory)]
    if ordered.height < targets.height:
        plain = targets.filter(pl.col("bucket").is_null())
        found.append(await repository.read_identities(connection, sorted(_targets(plain))))
    names = {name: f"stored_{name}" for name in ("revision", "digest", "state", "offset", "index")}
    columns = [*IDENTITY, *names]
    return pl.concat([f.select(columns) for f in found], how="vertical_relaxed").rename(names)


async def _lookup_ordered(
    connection: AsyncConnection, targets: pl.DataFrame, memory: Memory
) -> pl.DataFrame:
    buckets: list[identity.Bucket] = targets.select("partition", "bucket").unique().rows()
    if missing := memory.segments.missing(buckets):
        for bucket in missing:
            memory.segments.add(bucket, None)
        for partition, time, packed in await repository.read_segments(connection, missing):
            memory.segments.add((partition, time), identity.unpack(packed))
    known = memory.segments.known(buckets)
    keys = ["tenant_number", "id_high", "id_low"]
    return targets.select(*IDENTITY, "id_high", "id_low").join(known, on=keys, how="inner")


async def _settle_natural_keys(connection: AsyncConnection, first: pl.DataFrame) -> pl.DataFrame:
    """Add `state`: an event of a response that another instrument has booked counts nothing."""
    first = first.with_columns(state=pl.lit(COUNTED, pl.UInt8))
    seen = first.filter(pl.col("response_id") != "")
    if seen.is_empty():
        return first
    lines = seen.select(
        *(pl.col(name).cast(pl.Int32) for name in ("partition", "index")),
        "offset",
        "instrument",
        key=pl.Series(_keys(seen), dtype=pl.Binary),
    )
    losers = await _losers(connection, lines)
    if losers.is_empty():
        return first
    await _report_duplicates(connection, seen, losers)
    positions = losers.select(pl.col(name).cast(pl.Int64) for name in POSITION)
    lost = positions.with_columns(lost=pl.lit(NATURAL_DUPLICATE, pl.UInt8))
    return (
        first.join(lost, on=POSITION, how="left", maintain_order="left")
        .with_columns(state=pl.coalesce("lost", "state"))
        .drop("lost")
    )


def _keys(seen: pl.DataFrame) -> list[bytes]:
    columns = seen.select("tenant_number", "provider", "response_id").iter_rows()
    return [
        blake2b(length_prefixed(str(number), provider, response), digest_size=KEY_BYTES).digest()
        for number, provider, response in columns
    ]


async def _losers(connection: AsyncConnection, lines: pl.DataFrame) -> pl.DataFrame:
    """Return the lines whose response another instrument owns, with the owner's columns."""
    booked = lines.unique(subset="key", keep="first", maintain_order=True)
    instruments = booked["instrument"].unique(maintain_order=True).to_list()
    numbers = {name: number for number, name in enumerate(instruments)}
    staged = booked.select(
        "key",
        *POSITION,
        number=pl.col("instrument").replace_strict(numbers, return_dtype=pl.Int32),
    )
    known = await repository.claim_natural_keys(connection, staged, instruments)
    owners = booked.select("key", "instrument", *POSITION).rename(_owned)
    if known:
        before = pl.DataFrame(
            [tuple(row) for row in known], schema=dict(owners.schema), orient="row"
        )
        owners = pl.concat([before, owners.join(before, on="key", how="anti")])
    return lines.join(owners, on="key", how="inner").filter(
        pl.col("instrument") != pl.col("owner_instrument")
    )


def _owned(name: str) -> str:
    return name if name == "key" else f"owner_{name}"


async def _report_duplicates(
    connection: AsyncConnection, seen: pl.DataFrame, losers: pl.DataFrame
) -> None:
    ids = seen.select(*(pl.col(n).cast(losers.schema[n]) for n in POSITION), *IDENTITY)
    rows = losers.drop("key").join(ids, on=POSITION, how="inner").rename({"target_id": "event_id"})
    await repository.insert_natural_duplicates(connection, rows.to_dicts())


async def store(
    connection: AsyncConnection, first: pl.DataFrame, memory: Memory, starts: Mapping[int, int]
) -> None:
    """Write the entries of first events, booked; `starts` is where each partition's flush began."""
    entries = first.with_columns(
        pl.col("usage_day").cast(pl.Int32), pl.col("booked_day").cast(pl.Int32)
    )
    rows = []
    for (partition, bucket), own in identity.segments(entries):
        rows.append((partition, bucket, starts[partition], identity.pack(own)))
        memory.segments.add((partition, bucket), own.with_columns(pl.col("index").cast(pl.Int32)))
    if rows:
        await repository.insert_segments(connection, rows)
    memory.segments.shrink()
    plain = first.filter(pl.col("bucket").is_null())
    if plain.height:
        names = ("digest", "revision", *POSITION, "usage_day", "booked_day", "state")
        columns = plain.select("tenant_number", pl.col("target_id").alias("event_id"), *names)
        await repository.insert_identities(connection, columns)
