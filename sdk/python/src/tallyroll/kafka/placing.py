"""Which partition an event belongs to, and the records of a batch. Pure: no broker.

The form is docs/reference/usage-recorded.md of the project.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple
from zlib import crc32

import msgspec

IDENTIFIER = re.compile(r"[A-Za-z0-9_.:/@+-]{1,128}\Z")
"""What vendors, tenants and producers may be called."""
RECORD_EVENTS_MAX = 1_000
RECORD_BYTES_MAX = 4 * 1024 * 1024
"""The server reads no larger record, inclusive."""
RECORD_BYTES = 900_000
"""Aimed at: below what a broker takes unless it is told otherwise (1 MiB). An event above it has a
record of its own."""
_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")


class Record(NamedTuple):
    """A record for the topic."""

    partition: int
    value: bytes


class Result(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is answered for one event, by its place in the batch."""

    index: int
    status: str
    code: str | None = None
    field: str | None = None
    message: str | None = None


class Placed(NamedTuple):
    """A batch as records, and the result of each event once they are acknowledged."""

    records: list[Record]
    results: list[Result]


class Envelope(msgspec.Struct, frozen=True):
    """For whom a transport writes. `tenant` is that of events that name none."""

    vendor_id: str
    mode: str
    tenant: str | None
    producer: str


class _Body(msgspec.Struct):
    events: list[msgspec.Raw]


class _Placing(msgspec.Struct):
    event_id: str
    tenant: str | None = None
    corrects: str | None = None


_decode_body = msgspec.json.Decoder(_Body).decode
_decode_placing = msgspec.json.Decoder(_Placing).decode
_ACCEPTED = "accepted"


def partition_of(partitions: int, vendor_id: str, tenant: str, event_id: str) -> int:
    """Return where an event belongs, 0 <= p < partitions, so that a re-send meets its first there.

    CRC-32 over the parts, each behind its length in bytes. Of a correction pass the id that it
    corrects.
    """
    canonical = event_id.lower() if _UUID.match(event_id) else event_id
    parts = [part.encode() for part in (vendor_id, tenant, canonical)]
    return crc32(b"".join(b"%d:%b" % (len(part), part) for part in parts)) % partitions


def place(body: bytes, envelope: Envelope, *, partitions: int) -> Placed:
    """Return the records of a batch. msgspec.DecodeError if it is no list of events."""
    by_partition: dict[int, list[bytes]] = {}
    results = []
    head = _head(envelope)
    for index, raw in enumerate(_decode_body(body).events):
        result, partition, event = _placed(index, bytes(raw), envelope, partitions)
        if result.status == _ACCEPTED and len(head) + len(event) + 2 > RECORD_BYTES_MAX:
            message = f"A record has at most {RECORD_BYTES_MAX} bytes."
            result = Result(index, "rejected", "event_too_large", None, message)
        if result.status == _ACCEPTED:
            by_partition.setdefault(partition, []).append(event)
        results.append(result)
    records = [
        Record(partition, head + b",".join(part) + b"]}")
        for partition, events in by_partition.items()
        for part in _parts(events)
    ]
    return Placed(records, results)


def _placed(
    index: int, event: bytes, envelope: Envelope, partitions: int
) -> tuple[Result, int, bytes]:
    try:
        placing = _decode_placing(event)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Result(index, "rejected", "invalid_event", None, "It is no event."), 0, event
    tenant = placing.tenant or envelope.tenant
    if tenant is None:
        message = "An event names its tenant, or the transport does."
        return Result(index, "rejected", "missing_field", "tenant", message), 0, event
    if not placing.tenant:
        # At the end: the last of two members of one name is the one that counts.
        event = event.rstrip()[:-1] + b',"tenant":' + msgspec.json.encode(tenant) + b"}"
    first = placing.corrects or placing.event_id
    partition = partition_of(partitions, envelope.vendor_id, tenant, first)
    return Result(index, _ACCEPTED), partition, event


def _head(envelope: Envelope) -> bytes:
    told = {"vendor_id": envelope.vendor_id, "mode": envelope.mode, "producer": envelope.producer}
    return msgspec.json.encode(told)[:-1] + b',"events":['


def _parts(events: Sequence[bytes]) -> Iterator[list[bytes]]:
    """Split the events of a partition into those of its records."""
    part: list[bytes] = []
    size = 0
    for event in events:
        if part and (size + len(event) > RECORD_BYTES or len(part) == RECORD_EVENTS_MAX):
            yield part
            part, size = [], 0
        part.append(event)
        size += len(event) + 1
    yield part
