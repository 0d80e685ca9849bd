"""Writing the log `usage.recorded` without HTTP, and reading it back."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import msgspec
import polars as pl
import pyarrow as pa

from services.metering.domain.judge import Rules
from services.metering.domain.plain import read_plain
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import HEADERS, PlacedEvents, Sender, place_plain
from shared.broker import create_producer
from shared.topics import USAGE_RECORDED
from tests.bench.events import Shape, make_events, tenant_names
from tests.bench.rig import VENDOR, log_ends, read_log

EVENTS_PER_ENVELOPE = 1_000
EVENTS_PER_STEP = 20_000
RESENT_EVERY = 100
"""Each hundredth envelope is sent twice."""

Records = list[tuple[int, bytes]]


@dataclass(frozen=True)
class Preloaded:
    """What lies in [begin, end) of the log; sums and rows as the rollup must have them."""

    begin: dict[int, int]
    end: dict[int, int]
    events: int
    resent: int
    quantities: dict[str, int]
    keys: int


async def preload(bootstrap: str, count: int, shape: Shape) -> Preloaded:
    """Write events to the log in envelopes, each hundredth of them twice."""
    begin = await log_ends(bootstrap)
    quantities: dict[str, int] = defaultdict(int)
    keys: set[tuple[str, ...]] = set()
    events, resent = make_events(count, shape), 0
    while step := list(islice(events, EVENTS_PER_STEP)):
        for event in step:
            for kind, quantity in event["tokens"].items():
                quantities[kind] += quantity
                keys.add((event["tenant"], event["agent"], event["model"], kind))
        records = list(_envelopes(_place([msgspec.json.encode(event) for event in step])))
        again = records[::RESENT_EVERY]
        resent += sum(count_rows(envelope) for _, envelope in again)
        await produce(bootstrap, [*records, *again])
    end = await log_ends(bootstrap)
    return Preloaded(begin, end, count, resent, dict(quantities), len(keys))


def _place(texts: list[bytes]) -> PlacedEvents:
    now = datetime.now(UTC) + timedelta(hours=1)
    rules = Rules(now, None, frozenset(tenant_names()), backfill=False, corrections=False)
    events = read_plain(texts, rules)
    assert events is not None, "the bench makes ordinary events"
    return place_plain(events, Sender(VENDOR, "live"), partitions=USAGE_RECORDED.partitions)


def _envelopes(placed: PlacedEvents) -> Iterable[tuple[int, bytes]]:
    by_partition = defaultdict(list)
    for partition, row in zip(placed.partitions, zip(*placed.columns, strict=True), strict=True):
        by_partition[partition].append(row)
    for partition, rows in by_partition.items():
        for start in range(0, len(rows), EVENTS_PER_ENVELOPE):
            yield partition, encode_envelope(rows[start : start + EVENTS_PER_ENVELOPE])


async def produce(bootstrap: str, records: Records) -> float:
    """Append records as ingest does, many under way at once; return the seconds it took."""
    producer = create_producer(bootstrap, linger_ms=0)
    await producer.start()
    began = time.perf_counter()
    try:
        pending = [
            await producer.send(USAGE_RECORDED.name, value, partition=partition, headers=HEADERS)
            for partition, value in records
        ]
        for acknowledged in pending:
            await acknowledged
    finally:
        await producer.stop()
    return time.perf_counter() - began


def count_rows(envelope: bytes) -> int:
    """Return the events of one envelope."""
    return int(pa.ipc.open_stream(envelope).read_all().num_rows)


def distinct_ids(records: Records) -> int:
    """Return the number of different event ids in records."""
    ids: set[str | None] = set()
    for _, envelope in records:
        ids.update(pa.ipc.open_stream(envelope).read_all()["event_id"].to_pylist())
    return len(ids)


async def read_and_decode(bootstrap: str, preloaded: Preloaded) -> float:
    """Return the seconds that only reading the log and decoding its columns takes."""
    began = time.perf_counter()
    records = await read_log(bootstrap, preloaded.begin, preloaded.end)
    batches = [batch for _, envelope in records for batch in pa.ipc.open_stream(envelope)]
    frame = pl.from_arrow(pa.Table.from_batches(batches))
    assert len(frame) >= preloaded.events
    return time.perf_counter() - began
