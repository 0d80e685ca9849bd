"""Events as columns: one Arrow record batch per partition and gather."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pyarrow as pa

from services.metering.domain.event import TokenEvent, fingerprint
from shared.events.message import Mode
from shared.events.usage_recorded import CONTENT_TYPE, SCHEMA
from shared.ids import partition_of

EVENTS_PER_ENVELOPE_MAX = 5_000
ENVELOPE_BYTES_MAX = 4 * 1024 * 1024
"""JSON bytes of the events of one envelope: as Arrow it stays far below the largest record."""
HEADERS = [("content-type", CONTENT_TYPE.encode())]

NO_TAGS = "{}"

Row = tuple[Any, ...]
_encode = msgspec.json.Encoder().encode


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An event on its way to a partition, as a row of the envelope; `size` in bytes of JSON."""

    partition: int
    row: Row
    size: int


def place(
    event: TokenEvent, *, vendor_id: str, mode: Mode, partitions: int, size: int = 0
) -> Placed:
    """Return an event as a row, with the partition where every re-send of it goes as well."""
    partition = partition_of(partitions, vendor_id, event.tenant_id, event.event_id)
    row = (
        vendor_id,
        mode,
        event.tenant_id,
        event.event_id,
        fingerprint(event),
        event.occurred_at,
        event.agent,
        event.model,
        event.provider,
        list(event.tokens),
        list(event.tokens.values()),
        list(event.units),
        list(event.units.values()),
        event.band,
        event.context_input_tokens,
        event.service_tier,
        event.batch,
        event.speed,
        event.region,
        event.user,
        event.team,
        event.run_id,
        event.parent_run_id,
        event.purpose,
        event.status,
        event.response_id,
        event.line,
        event.instrument,
        _encode(event.tags).decode() if event.tags else NO_TAGS,
    )
    return Placed(partition, row, size)


def envelopes(placed: list[Placed]) -> Iterator[bytes]:
    """Yield the envelopes of one partition's events, each below the caps, in their order."""
    begin = size = 0
    for index, event in enumerate(placed):
        full = size + event.size > ENVELOPE_BYTES_MAX or index - begin >= EVENTS_PER_ENVELOPE_MAX
        if full and index > begin:
            yield encode_envelope([p.row for p in placed[begin:index]])
            begin, size = index, 0
        size += event.size
    if begin < len(placed):
        yield encode_envelope([p.row for p in placed[begin:]])


def encode_envelope(rows: list[Row]) -> bytes:
    """Return rows in the order of `SCHEMA` as an Arrow IPC stream of one record batch."""
    columns = zip(*rows, strict=True)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    batch = pa.RecordBatch.from_arrays(arrays, schema=SCHEMA)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(batch)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded
