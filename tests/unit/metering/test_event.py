"""Normalisation, fingerprint, context band and place of an event."""

import json
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import pyarrow as pa
import pytest

from services.metering.domain.event import TokenEvent, fingerprint, plain_units
from services.metering.domain.judge import Rules, judge
from services.metering.ingest.batch import EVENTS_PER_ENVELOPE_MAX, EventBatch, encode_envelope
from services.metering.ingest.envelope import Placed, Sender, as_columns, place
from shared.events.usage_recorded import SCHEMA

RULES = Rules(
    datetime(2026, 1, 31, 12, tzinfo=UTC),
    bound_tenant="acme",
    known_tenants=frozenset(),
    backfill=False,
    corrections=True,
)
GOOD: dict[str, Any] = {
    "event_id": "019A2F6E-5C1B-7C3A-9D57-3F6F0E6A1B2C",
    "agent": "coder",
    "model": "gpt-5",
    "provider": "openai",
    "occurred_at": "2026-01-31T11:59:59.9999999+01:00",
    "tokens": {"output_text": 1, "input_uncached": 5},
    "units": {"pages": "1.50"},
    "tags": {"b": "2", "a": "1"},
}


def _event(**changes: Any) -> TokenEvent:
    event = judge(json.dumps(GOOD | changes).encode(), RULES).event
    assert event is not None
    return event


def test_an_event_is_normalised() -> None:
    """Ids are canonical, times UTC and cut to microseconds, units plain, maps in key order."""
    event = _event()

    assert "019a2f6e-5c1b-7c3a-9d57-3f6f0e6a1b2c" == event.event_id
    assert datetime(2026, 1, 31, 10, 59, 59, 999999, tzinfo=UTC) == event.occurred_at
    assert {"pages": "1.5"} == event.units
    assert ["input_uncached", "output_text"] == list(event.tokens)


@pytest.mark.parametrize(
    "changes",
    [
        {"units": {"pages": "1.5"}},
        {"units": {"pages": "001.500"}},
        {"tokens": {"input_uncached": 5, "output_text": 1}},
        {"tags": {"a": "1", "b": "2"}},
        {"occurred_at": "2026-01-31T10:59:59.999999Z"},
        {"event_id": GOOD["event_id"].lower()},
        {"user": "", "purpose": "production"},
    ],
)
def test_the_fingerprint_is_of_the_content(changes: dict[str, Any]) -> None:
    """Spelling, order of keys and written-out defaults make no other content."""
    assert fingerprint(_event()) == fingerprint(_event(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"tokens": {"input_uncached": 5}},
        {"tokens": {"input_uncached": 1, "output_text": 5}},
        {"units": {"pages": "1.51"}},
        {"model": "gpt-5-mini"},
        {"user": "dev"},
        {"tags": {}},
        {"occurred_at": "2026-01-31T10:59:59.999998Z"},
    ],
)
def test_other_content_has_another_fingerprint(changes: dict[str, Any]) -> None:
    """Whatever is counted or attributed differently has another fingerprint."""
    assert fingerprint(_event()) != fingerprint(_event(**changes))


@pytest.mark.parametrize(
    ("text", "plain"), [("1.00", "1"), ("0.50", "0.5"), ("007", "7"), ("0", "0"), ("0.0", "0")]
)
def test_units_have_one_spelling(text: str, plain: str) -> None:
    """A plain decimal loses what says nothing."""
    assert plain == plain_units(text)


@pytest.mark.parametrize(
    ("tokens", "band"), [(None, "unknown"), (0, "32k"), (32_000, "32k"), (32_001, "64k")]
)
def test_the_context_band_includes_its_upper_bound(tokens: int | None, band: str) -> None:
    """32,000 tokens are still in 32k."""
    assert band == _event(context_input_tokens=tokens).band


def test_the_partition_is_of_vendor_tenant_and_id() -> None:
    """CRC-32 of the length-prefixed parts, modulo the partitions: a re-send meets its first."""
    placed = place(_event(), Sender("v", "live"), partitions=4)

    key = b"1:v4:acme36:019a2f6e-5c1b-7c3a-9d57-3f6f0e6a1b2c"
    assert crc32(key) % 4 == placed.partition


def _records(*requests: list[Placed]) -> list[tuple[int, pa.Table]]:
    batch = EventBatch()
    for placed in requests:
        batch.add(as_columns(placed))
    return [
        (partition, pa.ipc.open_stream(envelope).read_all())
        for partition, envelope in batch.records()
    ]


def test_envelopes_are_bounded_and_keep_the_order() -> None:
    """A large partition becomes several records of one schema, none lost, none reordered."""
    events = [
        place(_event(event_id=f"e-{i}"), Sender("v", "live"), partitions=1, size=300)
        for i in range(50)
    ] * (EVENTS_PER_ENVELOPE_MAX // 50 + 1)
    tables = [table for _, table in _records(events)]

    assert [EVENTS_PER_ENVELOPE_MAX, 50] == [len(table) for table in tables]
    assert all(table.schema.equals(SCHEMA) for table in tables)
    assert [f"e-{i}" for i in range(50)] == tables[1]["event_id"].to_pylist()


def test_envelopes_are_bounded_in_bytes() -> None:
    """Events of 16 KiB leave in records of about 4 MiB."""
    large = [place(_event(), Sender("v", "live"), partitions=1, size=16_384)] * 600

    assert [256, 256, 88] == [len(table) for _, table in _records(large)]


def test_a_gather_becomes_one_record_per_partition() -> None:
    """Requests' events come together by partition, each as if it had been encoded alone."""
    placed = [
        place(_event(event_id=f"e-{i}", agent=f"a-{i % 7}"), Sender("v", "live"), partitions=4)
        for i in range(200)
    ]
    records = _records(placed[:1], placed[1:120], placed[120:])

    assert [0, 1, 2, 3] == [partition for partition, _ in records]
    for partition, table in records:
        rows = [one.row for one in placed if one.partition == partition]
        assert table.equals(pa.ipc.open_stream(encode_envelope(rows)).read_all())


def test_an_empty_gather_writes_nothing() -> None:
    """Requests without a good event leave no record."""
    assert [] == EventBatch().records()
