"""Counting frames: nothing in an envelope is trusted, sums are exact, days are the open ones."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from services.metering.domain.event import TokenEvent
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.worker import counting
from services.metering.worker.reading import Record, read_records
from services.metering.worker.standing import LogLostError, first_read
from shared.events.usage_recorded import SCHEMA

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _event(**changes: Any) -> TokenEvent:
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "event_id": "e-1",
        "occurred_at": NOON,
        "agent": "coder",
        "model": "gpt-5",
        "provider": "openai",
        "tokens": {"input_uncached": 5, "output_text": 2},
        "units": {},
    }
    return TokenEvent(**(values | changes))


def _row(**fields: Any) -> tuple[Any, ...]:
    """Return an envelope's row with fields that the API would never write."""
    row = place(_event(), Sender("v", "live"), partitions=1).row
    return tuple(fields.get(name, value) for name, value in zip(SCHEMA.names, row, strict=True))


def _frame(*events: TokenEvent) -> pl.DataFrame:
    rows = [place(e, Sender("v", "live"), partitions=1).row for e in events]
    return read_records([Record(0, 7, encode_envelope(rows))], partitions=1).events


@pytest.mark.parametrize("value", [b"", b"garbage", b'{"json": true}', b"\xff" * 1000])
def test_garbage_is_set_aside(value: bytes) -> None:
    """A record that is no envelope is one rejection at index 0; the next record is read."""
    good = encode_envelope([_row()])
    reading = read_records([Record(0, 5, value), Record(0, 6, good)], partitions=1)

    assert [("undecodable_envelope", 5, 0)] == [
        (r.code, r.offset, r.index) for r in reading.rejections
    ]
    assert [(0, 6, 0)] == reading.events.select("partition", "offset", "index").rows()


@pytest.mark.parametrize("cut", [10, 200, 1000])
def test_a_torn_envelope_is_set_aside(cut: int) -> None:
    """An Arrow stream that ends early is an undecodable envelope."""
    reading = read_records([Record(0, 5, encode_envelope([_row()])[:cut])], partitions=1)

    assert ["undecodable_envelope"] == [r.code for r in reading.rejections]


@pytest.mark.parametrize(
    "fields",
    [
        {"token_counts": [5, -2]},
        {"token_counts": [5, 10**15 + 1]},
        {"token_counts": [5, None]},
        {"token_counts": [5]},
        {"token_types": ["a b", "c"]},
        {"token_types": [], "token_counts": []},
        {"unit_names": ["pages"], "unit_quantities": ["1e5"]},
        {"unit_names": ["meter:actions@1"], "unit_quantities": ["1"]},
        {"unit_names": ["pages"], "unit_quantities": []},
        {"vendor_id": "nul\x00"},
        {"event_id": "x" * 3000},
        {"mode": "both"},
        {"user": "nul\x00"},
        {"context_band": "33k"},
        {"purpose": "fun"},
        {"occurred_at": datetime(1950, 1, 1, tzinfo=UTC)},
    ],
)
def test_a_wrong_event_is_set_aside_alone(fields: dict[str, Any]) -> None:
    """What breaks the envelope's rules is `invalid_event`; its neighbour counts."""
    value = encode_envelope([_row(), _row(**fields)])
    reading = read_records([Record(0, 5, value)], partitions=1)

    assert [("invalid_event", 1)] == [(r.code, r.index) for r in reading.rejections]
    assert 1 == reading.events.height


def test_an_event_in_the_wrong_partition_is_set_aside() -> None:
    """An event counts only where its identity belongs, else its re-send would count again."""
    home = place(_event(), Sender("v", "live"), partitions=4).partition
    value = encode_envelope([_row()])
    reading = read_records([Record(p, 5, value) for p in range(4)], partitions=4)

    assert ["wrong_partition"] * 3 == [r.code for r in reading.rejections]
    assert [home] == reading.events["partition"].to_list()


@pytest.mark.parametrize(
    ("sealed", "booked"),
    [
        (None, date(2026, 1, 31)),
        (date(2026, 1, 30), date(2026, 1, 31)),
        (date(2026, 1, 31), date(2026, 2, 1)),
        (date(2026, 2, 27), date(2026, 2, 28)),
    ],
)
def test_the_booked_day_is_the_first_open_one(sealed: date | None, booked: date) -> None:
    """Usage counts for its own day, or for the first day that is not sealed."""
    seals = {} if sealed is None else {("v", "live"): sealed}
    frame = counting.book(_frame(_event()), seals)

    assert [(date(2026, 1, 31), booked, 12)] == frame.select(
        "usage_day", "booked_day", "hour"
    ).rows()


def test_sums_are_exact_beyond_64_bits() -> None:
    """20,000 counts of 10^15 pass 2^63 and are summed exactly, decimals too."""
    events = [
        _event(event_id=f"e-{i}", tokens={"output_text": 10**15}, units={"pages": "0.000000001"})
        for i in range(20_000)
    ]
    added = counting.book(_frame(*events), {}).with_columns(sign=pl.lit(1), entry=pl.lit("usage"))
    kinds = counting.by_kind(added)
    sums = counting.sum_rows(kinds, counting.DIMENSIONS)

    expected = {("output_text", Decimal(2 * 10**19)), ("pages", Decimal("0.00002"))}
    assert expected == set(sums.select("kind", "quantity").rows())


def test_rows_of_different_dimensions_have_different_keys() -> None:
    """The key is injective: shifting text from one dimension to the next makes another key."""
    naive: Callable[..., bytes] = lambda row: "-".join(row).encode()  # noqa: E731
    rows = pl.DataFrame({"agent": ["a-b", "a"], "model": ["c", "b-c"]})

    assert 2 == counting.row_keys(rows, ("agent", "model")).n_unique()
    assert naive(("a-b", "c")) == naive(("a", "b-c"))


@pytest.mark.parametrize(("begin", "end", "stored"), [(0, 4, 5), (6, 9, 5)])
def test_a_log_that_lost_records_stops_the_worker(begin: int, end: int, stored: int) -> None:
    """A log that ends before, or begins after the stored offset is never read on silently."""
    with pytest.raises(LogLostError):
        first_read(stored, begin, end)


@pytest.mark.parametrize(("begin", "stored", "first"), [(0, 0, 0), (3, 0, 3), (0, 5, 5)])
def test_reading_starts_where_postgres_says(begin: int, stored: int, first: int) -> None:
    """The stored offset is the start; a database that counted nothing starts with the log."""
    assert first == first_read(stored, begin, 9)
