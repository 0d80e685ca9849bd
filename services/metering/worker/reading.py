"""Envelopes become one frame of events; what cannot be counted is set aside with a reason.

Whoever may write the topic may write garbage: nothing here trusts an envelope, and nothing that is
wrong with one event stops its partition.
"""

import dataclasses
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pyarrow as pa

from services.metering.domain.event import COUNT_MAX
from shared.events.usage_recorded import BAND_ABOVE, BAND_UNKNOWN, CONTEXT_BANDS, SCHEMA
from shared.ids import IDENTIFIER_PATTERN, partition_of

POSITION = ("partition", "offset", "index")
PAYLOAD_BYTES_SHOWN = 256

_NAME = re.compile(IDENTIFIER_PATTERN)
_OPTIONAL_NAME = re.compile(r"[A-Za-z0-9_.:/@+-]{0,128}\Z")
_MODE = re.compile(r"(test|live)\Z")
_BAND = re.compile(
    rf"({'|'.join([name for name, _ in CONTEXT_BANDS] + [BAND_ABOVE, BAND_UNKNOWN])})\Z"
)
_PURPOSE = re.compile(r"(production|explore|eval)\Z")
_STATUS = re.compile(r"(completed|aborted|failed)\Z")
_PLAIN_UNITS = re.compile(r"[0-9]{1,15}(\.[0-9]{1,9})?\Z")

_TEXT_FORMS: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("vendor_id", "tenant_id", "event_id", "agent", "model", "provider"), _NAME),
    **dict.fromkeys(("service_tier", "speed", "region", "user", "team"), _OPTIONAL_NAME),
    "mode": _MODE,
    "context_band": _BAND,
    "purpose": _PURPOSE,
    "status": _STATUS,
}
_LIST_FORMS = {"token_types": _NAME, "unit_names": _NAME, "unit_quantities": _PLAIN_UNITS}
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """One record of the log."""

    partition: int
    offset: int
    value: bytes


@dataclass(frozen=True)
class Rejection:
    """One event, or one envelope, that is not counted. `vendor_id` is empty when unreadable."""

    partition: int
    offset: int
    index: int
    code: str
    message: str
    vendor_id: str = ""
    mode: str = "live"
    tenant_id: str = ""
    event_id: str = ""
    field: str = ""
    event: dict[str, Any] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Reading:
    """What a batch of records holds: events in the order of their positions, and the rest."""

    events: pl.DataFrame
    rejections: list[Rejection]


def read_records(records: Iterable[Record], *, partitions: int) -> Reading:
    """Read envelopes; `partitions` is the stored number that events are placed by."""
    tables: list[pa.Table] = []
    positions: dict[str, list[int]] = {name: [] for name in POSITION}
    rejections = []
    for record in sorted(records, key=lambda r: (r.partition, r.offset)):
        table = read_envelope(record.value)
        if table is None:
            rejections.append(_undecodable(record))
            continue
        tables.append(table)
        positions["partition"] += [record.partition] * len(table)
        positions["offset"] += [record.offset] * len(table)
        positions["index"] += range(len(table))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    frame = pl.DataFrame(pl.from_arrow(table)).with_columns(
        pl.Series(name, values, dtype=pl.Int64) for name, values in positions.items()
    )
    events, invalid = _split(frame, _is_valid(frame))
    events, misplaced = _split(events, _is_in_place(events, partitions))
    rejections += reject(invalid, "invalid_event", "The event breaks the rules of the envelope.")
    rejections += reject(misplaced, "wrong_partition", "The event belongs to another partition.")
    return Reading(events, rejections)


def read_envelope(value: bytes) -> pa.Table | None:
    """Return an envelope's rows; None when it is no Arrow stream of the schema."""
    try:
        table = pa.ipc.open_stream(value).read_all()
        table.validate(full=True)
    except (pa.ArrowException, OSError, ValueError):
        return None
    if not table.schema.equals(SCHEMA):
        return None
    required = (name for name in SCHEMA.names if not SCHEMA.field(name).nullable)
    return None if any(table[name].null_count for name in required) else table


def _undecodable(record: Record) -> Rejection:
    shown = {"payload_start_hex": record.value[:PAYLOAD_BYTES_SHOWN].hex()}
    message = "The record is no Arrow stream of token events."
    return Rejection(
        record.partition, record.offset, 0, "undecodable_envelope", message, event=shown
    )


def _split(frame: pl.DataFrame, good: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (frame, frame.clear()) if good.all() else (frame.filter(good), frame.filter(~good))


def _breaking(values: pl.Series, form: re.Pattern[str]) -> list[str]:
    """Return the distinct values that do not have the form; distinct ones are few."""
    return [v for v in values.unique().to_list() if v is not None and not form.match(v)]


def _is_valid(frame: pl.DataFrame) -> pl.Series:
    checks = [
        pl.col("occurred_at").is_between(_EARLIEST, _LATEST, closed="left"),
        pl.col("token_types").list.len() == pl.col("token_counts").list.len(),
        pl.col("unit_names").list.len() == pl.col("unit_quantities").list.len(),
        pl.col("token_types").list.len() + pl.col("unit_names").list.len() > 0,
        pl.col("token_counts").list.min().fill_null(0) >= 0,
        pl.col("token_counts").list.max().fill_null(0) <= COUNT_MAX,
    ]
    for name, form in _TEXT_FORMS.items():
        if bad := _breaking(frame[name], form):
            checks.append(~pl.col(name).is_in(bad))
    for name in (*_LIST_FORMS, "token_counts"):
        entries = frame[name].explode(empty_as_null=False)
        if entries.null_count():
            checks.append(pl.col(name).list.drop_nulls().list.len() == pl.col(name).list.len())
        if name in _LIST_FORMS and (bad := _breaking(entries, _LIST_FORMS[name])):
            broken = pl.col(name).list.eval(pl.element().is_in(bad)).list.any()
            checks.append(~broken)
    return frame.select(pl.all_horizontal(checks).fill_null(value=False).alias("good"))["good"]


def _is_in_place(frame: pl.DataFrame, partitions: int) -> pl.Series:
    """Tell for each event whether it lies where its identity belongs."""
    keys = frame.select("vendor_id", "tenant_id", "event_id").iter_rows()
    expected = [partition_of(partitions, *key) for key in keys]
    return pl.Series(expected, dtype=pl.Int64) == frame["partition"]


def reject(frame: pl.DataFrame, code: str, message: str, *, field: str = "") -> list[Rejection]:
    """Return rejections of a frame's events, with as much of each as can be shown."""
    return [
        Rejection(
            partition=event.pop("partition"),
            offset=event.pop("offset"),
            index=event.pop("index"),
            code=code,
            message=message,
            vendor_id=_storable(event["vendor_id"]),
            mode=event["mode"] if _MODE.match(event["mode"]) else "live",
            tenant_id=_storable(event["tenant_id"]),
            event_id=_storable(event["event_id"]),
            field=field,
            event=_shown(event),
        )
        for event in frame.select(*POSITION, *SCHEMA.names).to_dicts()
    ]


def _storable(text: str) -> str:
    return text if _NAME.match(text) else ""


def _shown(event: dict[str, Any]) -> dict[str, Any]:
    event["fingerprint"] = event["fingerprint"].hex()
    text = json.dumps(event, default=str).replace("\\u0000", "\\ufffd")  # jsonb takes no NUL
    shown: dict[str, Any] = json.loads(text)
    return shown
