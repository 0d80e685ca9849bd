"""Files of the archive: everything that was in the log, each event once, at its position."""

import json
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from services.metering.archive.layout import DAYS_PER_CUT_MAX, FILE_SCHEMA, cut, files_of
from services.metering.archive.lookup import EVENT_COLUMNS
from services.metering.domain.event import TokenEvent
from services.metering.ingest.batch import encode_envelope
from services.metering.ingest.envelope import Sender, place
from services.metering.worker.reading import Record, events_of
from shared.events.usage_recorded import SCHEMA

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)


def _row(event_id: str, **changes: Any) -> tuple[Any, ...]:
    values: dict[str, Any] = {
        "tenant_id": "acme",
        "event_id": event_id,
        "occurred_at": NOON,
        "agent": "coder",
        "model": "gpt-5",
        "provider": "openai",
        "tokens": {"input_uncached": 5, "output_text": 2},
        "units": {},
    }
    return place(TokenEvent(**(values | changes)), Sender("v", "live"), partitions=1).row


def _changed(row: tuple[Any, ...], **fields: Any) -> tuple[Any, ...]:
    return tuple(fields.get(name, value) for name, value in zip(SCHEMA.names, row, strict=True))


def _files(*records: Record) -> dict[str, pa.Table]:
    found = {}
    for file in files_of(cut(0, records)):
        table = pq.read_table(BytesIO(file.content))
        assert (file.manifest.rows, file.manifest.size) == (len(table), len(file.content))
        found[file.manifest.path.rpartition("/")[2].rpartition("-")[0]] = table
    return found


def test_everything_in_the_log_is_in_the_files() -> None:
    """Events of two days, a duplicate and a void lie in a file of their day, unchanged."""
    void = _row(
        "v-1", occurred_at=None, agent="", model="", provider="", tokens={}, corrects="e-1",
        action="void", revision=1,
    )  # fmt: skip
    late = _row("e-2", occurred_at=NOON - timedelta(days=1), units={"pages": "1.5"})
    records = [
        Record(0, 7, encode_envelope([_row("e-1"), late, _row("e-1")])),
        Record(0, 8, b"no envelope"),
        Record(0, 9, encode_envelope([void])),
    ]
    files = _files(*records)

    assert ["2026-01-30", "2026-01-31", "corrections"] == list(files)
    assert all(FILE_SCHEMA.equals(table.schema) for table in files.values())
    stored = pl.DataFrame(pl.from_arrow(pa.concat_tables(files.values()))).select(EVENT_COLUMNS)
    assert events_of(records).rows() == stored.sort("offset", "index").rows()


def test_json_of_trusted_producers_is_in_the_files() -> None:
    """A JSON record's good events are archived under their places in it."""
    event = {
        "event_id": "e-1", "tenant": "acme", "agent": "coder", "model": "gpt-5",
        "provider": "openai", "occurred_at": "2026-01-31T12:00:00Z",
        "tokens": {"output_text": 2},
    }  # fmt: skip
    body = {"vendor_id": "v", "mode": "live", "events": [{"nonsense": 1}, event]}
    record = Record(0, 7, json.dumps(body).encode(), is_json=True, taken_at=NOON)
    table = _files(record)["2026-01-31"]

    names = ["event_id", "offset", "index", "tokens_output_text"]
    assert [["e-1", 7, 1, 2]] == [
        [row[name] for name in names] for row in table.select(names).to_pylist()
    ]


def test_token_columns_hold_what_the_lists_hold() -> None:
    """A known type is its own column, absent ones are null, zero is zero."""
    table = _files(
        Record(0, 0, encode_envelope([_row("e-1", tokens={"output_text": 0}), _row("e-2")]))
    )["2026-01-31"]

    columns = table.select(["is_wide", "tokens_input_uncached", "tokens_output_text"]).to_pydict()
    assert {
        "is_wide": [True, True],
        "tokens_input_uncached": [None, 5],
        "tokens_output_text": [0, 2],
    } == columns


@pytest.mark.parametrize(
    "fields",
    [
        {"token_types": ["input_uncached", "invented"]},
        {"token_types": ["output_text", "output_text"]},
        {"token_types": ["output_text"]},
        {"token_counts": [5, None]},
        {"token_types": ["input_uncached", None]},
    ],
)
def test_what_the_columns_cannot_hold_stays_a_list(fields: dict[str, Any]) -> None:
    """Unknown, doubled or unpaired types leave the token columns null, alone."""
    rows = [_row("e-0"), _changed(_row("e-1"), **fields), _row("e-2")]
    table = _files(Record(0, 0, encode_envelope(rows)))["2026-01-31"]

    assert [True, False, True] == table["is_wide"].to_pylist()
    assert [5, None, 5] == table["tokens_input_uncached"].to_pylist()
    assert [2, None, 2] == table["tokens_output_text"].to_pylist()


def test_many_days_share_a_file() -> None:
    """A hostile spread of days makes a bounded number of files, and loses no event."""
    days = DAYS_PER_CUT_MAX + 50
    rows = [_row(f"e-{i}", occurred_at=NOON - timedelta(days=i)) for i in range(days)]
    files = _files(Record(0, 0, encode_envelope(rows)))

    assert DAYS_PER_CUT_MAX + 1 == len(files)
    assert days == sum(len(table) for table in files.values())
    assert 50 == len(files["several-days"])


def test_the_same_records_make_the_same_files() -> None:
    """Written again after a crash a file has the same name and the same bytes."""
    records = [Record(0, 3, encode_envelope([_row("e-1"), _row("e-2")]))]
    first, second = list(files_of(cut(0, records))), list(files_of(cut(0, records)))

    assert first == second
    assert [(3, 4, date(2026, 1, 31), 2, 0)] == [
        (m.first_offset, m.end_offset, m.usage_day, m.rows, m.versions)
        for m in (file.manifest for file in first)
    ]


def test_records_that_nobody_can_read_make_no_file() -> None:
    """A cut of garbage has a range and no rows."""
    whole = cut(0, [Record(0, 3, b"garbage"), Record(0, 4, b"")])

    assert (3, 5, 0) == (whole.first, whole.end, len(whole.rows))
    assert [] == list(files_of(whole))
