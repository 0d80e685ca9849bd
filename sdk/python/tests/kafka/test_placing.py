"""Events in their partitions and records, as trusted producers have to write them."""

from typing import Any
from zlib import crc32

import msgspec
import pytest

from tallyroll.kafka.placing import (
    RECORD_BYTES,
    RECORD_BYTES_MAX,
    RECORD_EVENTS_MAX,
    Envelope,
    Placed,
    partition_of,
    place,
)

PARTITIONS = 4
ENVELOPE = Envelope("v", "live", "acme", "gateway")
ID = "018F3A6E-0000-7000-8000-0000000000AB"


def _placed(*events: dict[str, Any], envelope: Envelope = ENVELOPE) -> Placed:
    body = msgspec.json.encode({"events": events})
    return place(body, envelope, partitions=PARTITIONS)


def _written(placed: Placed) -> list[dict[str, Any]]:
    return [e for r in placed.records for e in msgspec.json.decode(r.value)["events"]]


def test_the_partition_is_that_of_the_reference() -> None:
    """CRC-32 over vendor, tenant and id, each behind its length in bytes, modulo the count."""
    assert crc32(b"1:v4:acme3:e-1") % PARTITIONS == partition_of(PARTITIONS, "v", "acme", "e-1")
    assert crc32("1:v2:é3:e-1".encode()) % 7 == partition_of(7, "v", "é", "e-1")


def test_a_uuid_is_placed_by_its_canonical_spelling() -> None:
    """However it is spelled, a re-send meets its first."""
    found = {partition_of(1_000, "v", "acme", spelled) for spelled in (ID, ID.lower())}

    assert 1 == len(found)


def test_a_correction_goes_where_its_event_went() -> None:
    """It is placed by the id that it corrects."""
    events = [{"event_id": f"e-{i}"} for i in range(20)]
    corrections = [{"event_id": f"c-{i}", "corrects": f"e-{i}"} for i in range(20)]

    def places(placed: Placed, name: str) -> dict[str, int]:
        return {
            event[name]: record.partition
            for record in placed.records
            for event in msgspec.json.decode(record.value)["events"]
        }

    assert places(_placed(*events), "event_id") == places(_placed(*corrections), "corrects")


def test_a_record_says_whose_events_it_has() -> None:
    """The envelope has the four members that the worker reads, and no other."""
    (record,) = _placed({"event_id": "e-1", "tokens": {"output_text": 5}}).records

    assert {
        "vendor_id": "v",
        "mode": "live",
        "producer": "gateway",
        "events": [{"event_id": "e-1", "tokens": {"output_text": 5}, "tenant": "acme"}],
    } == msgspec.json.decode(record.value)


def test_an_events_own_tenant_stands() -> None:
    """The transport's tenant is for events that name none."""
    placed = _placed({"event_id": "e-1", "tenant": "globex"}, {"event_id": "e-2", "tenant": None})

    assert {"e-1": "globex", "e-2": "acme"} == {
        e["event_id"]: e["tenant"] for e in _written(placed)
    }


@pytest.mark.parametrize(
    ("event", "code"),
    [
        ({"event_id": "bad"}, "missing_field"),
        ({"tenant": "acme"}, "invalid_event"),
        ({"event_id": "bad", "tenant": "acme", "x": "y" * RECORD_BYTES_MAX}, "event_too_large"),
    ],
)
def test_what_cannot_be_placed_is_rejected_alone(event: dict[str, Any], code: str) -> None:
    """Its neighbours go."""
    good = [{"event_id": f"e-{i}", "tenant": "acme"} for i in range(2)]
    placed = _placed(good[0], event, good[1], envelope=Envelope("v", "live", None, ""))

    assert [None, code, None] == [result.code for result in placed.results]
    assert ["e-0", "e-1"] == sorted(event["event_id"] for event in _written(placed))


def test_records_stay_below_the_brokers_limit() -> None:
    """A batch is split by bytes and by count, and nothing of it is lost or doubled."""
    large = [{"event_id": f"l-{i}", "x": "y" * (RECORD_BYTES // 3)} for i in range(20)]
    many = [{"event_id": f"m-{i}"} for i in range(PARTITIONS * RECORD_EVENTS_MAX * 2)]
    placed = _placed(*large, *many)
    sizes = [len(record.value) for record in placed.records]
    counts = [len(msgspec.json.decode(record.value)["events"]) for record in placed.records]

    assert max(sizes) < 1_000_000
    assert RECORD_EVENTS_MAX == max(counts)
    assert sorted(e["event_id"] for e in large + many) == sorted(
        e["event_id"] for e in _written(placed)
    )


@pytest.mark.parametrize("body", [b"", b"[]", b'{"events":{}}', b'{"events":[{]}', b"\xff"])
def test_what_is_no_batch_is_told(body: bytes) -> None:
    """The sender halves a batch around the event that spoils it."""
    with pytest.raises((msgspec.DecodeError, UnicodeDecodeError)):
        place(body, ENVELOPE, partitions=PARTITIONS)
