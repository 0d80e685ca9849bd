"""JSON records of trusted producers: judged like the HTTP API's events, replayed when repaired."""

import json
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from examples.producer.__main__ import partition_of
from services.metering.deadletters import Operator, replay
from services.metering.repository.offsets import Move
from services.metering.worker.reading import Reading, Record, read_records
from services.metering.worker.verdicts import Flushed
from shared import ids

from .conftest import NOON, Ledger

TENANTS = frozenset({"acme"})


def _written(event_id: str, **changes: Any) -> dict[str, Any]:
    event = {
        "event_id": event_id,
        "tenant": "acme",
        "agent": "coder",
        "provider": "openai",
        "model": "gpt-5",
        "occurred_at": "2026-01-31T12:00:00Z",
        "tokens": {"input_uncached": 5, "output_text": 2},
    }
    return event | changes


def _record(ledger: Ledger, *events: dict[str, Any], **changes: Any) -> Record:
    """Return a record at the end of the partition where its first event belongs."""
    first = events[0]
    partition = partition_of(4, ledger.vendor_id, first["tenant"], first["event_id"])
    envelope = {"vendor_id": ledger.vendor_id, "mode": "live", "events": list(events)} | changes
    value = json.dumps(envelope).encode()
    offset = ledger.offsets[partition]
    return Record(partition, offset, value, is_json=True, taken_at=NOON, tenants=TENANTS)


async def _flush(ledger: Ledger, record: Record) -> Flushed:
    reading = read_records([record], partitions=4)
    end = record.offset + 1
    flushed = await ledger.flush_reading(
        reading, {record.partition: Move(record.offset, end, NOON)}
    )
    ledger.offsets[record.partition] = end
    return flushed


def _together(ledger: Ledger, count: int) -> list[str]:
    """Return ids whose events belong to the same partition."""
    candidates = (f"j-{i}" for i in range(1_000))
    found = [c for c in candidates if partition_of(4, ledger.vendor_id, "acme", c) == 0]
    return found[:count]


async def test_a_json_record_counts_like_a_request(ledger: Ledger) -> None:
    """Good events count, a bad one among them is rejected under its own place and code."""
    first, second, third = _together(ledger, 3)
    bad = _written(second, tokens={"input": 1})
    flushed = await _flush(ledger, _record(ledger, _written(first), bad, _written(third)))
    rows = await ledger.query(
        "select code, index, event_id, field from metering.rejected where vendor_id = :vendor"
    )

    assert (2, 1) == (flushed.counted, flushed.rejected)
    assert [("ambiguous_token_type", 1, second, "tokens.input")] == [tuple(row) for row in rows]
    assert {10, 4} == set((await ledger.usage()).values())


async def test_json_and_arrow_are_one_identity(ledger: Ledger) -> None:
    """The same event as JSON again is a duplicate, under whatever record."""
    (first,) = _together(ledger, 1)
    await _flush(ledger, _record(ledger, _written(first)))
    again = await _flush(ledger, _record(ledger, _written(first)))

    assert (0, 1) == (again.counted, again.duplicates)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"tenant": "nobody"}, "unknown_tenant"),
        ({"occurred_at": (NOON - timedelta(days=36)).isoformat()}, "occurred_at_too_old"),
        ({"occurred_at": (NOON + timedelta(minutes=6)).isoformat()}, "occurred_at_in_future"),
        ({"tokens": {}}, "missing_field"),
        ({"tokens": {"output_text": -1}}, "invalid_count"),
    ],
)
def test_an_event_is_judged_at_the_records_time(
    ledger: Ledger, changes: dict[str, Any], code: str
) -> None:
    """Tenants, age and counts are checked like at the API, relative to when the broker has it."""
    reading = _read(_record(ledger, _written("e-1", **changes)))

    assert (0, [code]) == (reading.events.height, [r.code for r in reading.rejections])


def _read(record: Record) -> Reading:
    return read_records([record], partitions=4)


@pytest.mark.parametrize(
    "value",
    [b"", b"{", b"[]", b'{"events":[]}', b'{"vendor_id":"v","mode":"live","events":{}}', b"\xff"],
)
def test_an_unreadable_record_is_one_rejection(value: bytes) -> None:
    """What is no envelope is set aside whole, with the start of what it holds."""
    reading = _read(Record(0, 7, value, is_json=True, taken_at=NOON, tenants=TENANTS))
    (rejection,) = reading.rejections

    assert ("undecodable_envelope", 7, 0) == (rejection.code, rejection.offset, rejection.index)
    assert {"payload_start_hex": value.hex()} == rejection.event


def test_the_wrong_partition_is_rejected(ledger: Ledger) -> None:
    """A producer that computes another partition hears of it; so would one without lengths."""
    record = _record(ledger, _written("e-1"))
    elsewhere = Record(
        (record.partition + 1) % 4, 0, record.value, is_json=True, taken_at=NOON, tenants=TENANTS
    )

    assert [] == _read(record).rejections
    assert ["wrong_partition"] == [r.code for r in _read(elsewhere).rejections]


def test_the_example_places_like_the_worker() -> None:
    """The example's partitions are those of the code, also beyond ASCII."""
    keys = [("v", "acme", f"e-{i}") for i in range(100)] + [("v", "ümlaut", "ß")]

    assert [ids.partition_of(7, *key) for key in keys] == [partition_of(7, *key) for key in keys]


async def test_an_event_is_replayed_when_its_tenant_exists(ledger: Ledger, writer: Any) -> None:
    """An event of an unknown tenant is refused again, and counts once the tenant is there."""
    event = _written("r-1", tenant="late")
    record = _record(ledger, event)
    await _flush(ledger, record)
    position = (record.partition, record.offset, 0)
    operator = Operator("olga", "tenant created")
    async with ledger.database.transaction() as connection:
        before = await replay(connection, position, operator)
    await writer(ledger.vendor_id, live_from=date(2026, 1, 1), tenants=["late"])
    await ledger.query(
        "update metering.rejected set rejected_at = :at where vendor_id = :vendor",
        at=datetime(2026, 2, 1, tzinfo=UTC),
    )
    async with ledger.database.transaction() as connection:
        after = await replay(connection, position, operator)
    rows = await ledger.query(
        "delete from metering.outbox where topic = 'usage.recorded' returning partition, payload"
    )
    await ledger.flush([(row.partition, bytes(row.payload)) for row in rows])

    assert ("unknown_tenant", "") == (before.split(":")[0], after)
    assert {5, 2} == set((await ledger.usage()).values())
