"""Envelopes become one frame of events; what cannot be counted is set aside with a reason.

Whoever may write the topic may write garbage: nothing here trusts an envelope, and nothing that is
wrong with one event stops its partition.
"""

import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
import pyarrow as pa

from services.metering.domain.event import COUNT_MAX, METER_PREFIX
from services.metering.worker.identity import with_identity
from services.metering.worker.json_records import ANY_TENANT, Written, read_json_record
from shared.context_bands import BAND_ABOVE, BAND_UNKNOWN, CONTEXT_BANDS
from shared.events.usage_recorded import SCHEMA
from shared.ids import IDENTIFIER_PATTERN, length_prefixed

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

_ACTION = re.compile(r"(|void|replace)\Z")
_CALM_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f]{0,500}\Z")

_DESCRIBING = ("agent", "model", "provider")
_TEXT_FORMS: dict[str, re.Pattern[str]] = {
    **dict.fromkeys(("vendor_id", "tenant_id", "event_id"), _NAME),
    **dict.fromkeys(_DESCRIBING, _OPTIONAL_NAME),
    **dict.fromkeys(("service_tier", "speed", "region", "user", "team"), _OPTIONAL_NAME),
    **dict.fromkeys(("run_id", "parent_run_id", "response_id", "instrument"), _OPTIONAL_NAME),
    **dict.fromkeys(("corrects", "actor", "reservation_id"), _OPTIONAL_NAME),
    "action": _ACTION,
    "reason": _CALM_TEXT,
    "mode": _MODE,
    "context_band": _BAND,
    "purpose": _PURPOSE,
    "status": _STATUS,
}
_MANIFOLD = ("event_id", "response_id")
"""Nearly every value is another one: matched as columns, not one by one."""
# Values of meters travel under such names, and nothing else may.
_UNIT_NAME = re.compile(rf"(?!{METER_PREFIX}){IDENTIFIER_PATTERN.removeprefix('^')}")
_LIST_FORMS = {"token_types": _UNIT_NAME, "unit_names": _UNIT_NAME, "unit_quantities": _PLAIN_UNITS}
_EARLIEST, _LATEST = datetime(2000, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """One record of the log. What follows `value` matters only for JSON of trusted producers.

    `tenants` are those that the account has; None when the record's events were judged before.
    """

    partition: int
    offset: int
    value: bytes
    is_json: bool = False
    taken_at: datetime = _EARLIEST
    tenants: frozenset[str] | None = None


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
    """What a batch of records holds: events in the order of their positions, and the rest.

    The events have the columns of `SCHEMA`, of `POSITION` and of their identity.
    """

    events: pl.DataFrame
    rejections: list[Rejection]


def read_records(records: Iterable[Record], *, partitions: int) -> Reading:
    """Read envelopes; `partitions` is the stored number that events are placed by."""
    frame, rejections = _decode(records)
    events, invalid = _split(frame, _is_valid(frame))
    events, misplaced = _split(events, _is_in_place(events, partitions))
    rejections += reject(invalid, "invalid_event", "The event breaks the rules of the envelope.")
    rejections += reject(misplaced, "wrong_partition", "The event belongs to another partition.")
    return Reading(with_identity(events), rejections)


def events_of(records: Iterable[Record]) -> pl.DataFrame:
    """Return the events of records that were judged before, with their positions."""
    return _decode(records)[0]


def rows_of(record: Record) -> tuple[pa.Table, list[int]]:
    """Return a record's events, as `SCHEMA`, and their indexes; none where it is unreadable."""
    if record.is_json:
        rows, indexes, _ = _read_json(record)
        return rows, indexes
    table = read_envelope(record.value)
    return (SCHEMA.empty_table(), []) if table is None else (table, list(range(len(table))))


def _decode(records: Iterable[Record]) -> tuple[pl.DataFrame, list[Rejection]]:
    tables: list[pa.Table] = []
    positions: list[np.ndarray[Any, np.dtype[np.int64]]] = []
    rejections = []
    for record in sorted(records, key=lambda r: (r.partition, r.offset)):
        if record.is_json:
            json_table, indexes, faults = _read_json(record)
            tables.append(json_table)
            positions.append(_positions(record, indexes))
            rejections += faults
            continue
        table = read_envelope(record.value)
        if table is None:
            rejections.append(_undecodable(record))
            continue
        tables.append(table)
        positions.append(_positions(record, range(len(table))))
    table = pa.concat_tables(tables) if tables else SCHEMA.empty_table()
    columns = np.concatenate(positions, axis=1) if positions else np.empty((3, 0), np.int64)
    frame = pl.DataFrame(pl.from_arrow(table)).with_columns(
        pl.Series(name, column) for name, column in zip(POSITION, columns, strict=True)
    )
    return frame, rejections


def _positions(record: Record, indexes: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return partition, offset and index of a record's events, as three rows."""
    own = np.empty((3, len(indexes)), np.int64)
    own[0], own[1], own[2] = record.partition, record.offset, indexes
    return own


def _read_json(record: Record) -> tuple[pa.Table, list[int], list[Rejection]]:
    """Return a JSON record's good events, their places in it, and the rejections of the others."""
    tenants = ANY_TENANT if record.tenants is None else record.tenants
    reading = read_json_record(Written(record.value, record.taken_at, tenants))
    rejections = [
        Rejection(
            partition=record.partition,
            offset=record.offset,
            index=fault.index,
            code=fault.code,
            message=fault.message,
            vendor_id=reading.vendor_id,
            mode=reading.mode,
            tenant_id=_storable(fault.tenant_id),
            event_id=_storable(fault.event_id),
            field=fault.field,
            event={"written": fault.text} if fault.text else _start_of(record),
        )
        for fault in reading.faults
    ]
    return reading.rows, reading.indexes, rejections


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
    shown = _start_of(record)
    message = "The record is no Arrow stream of token events."
    return Rejection(
        record.partition, record.offset, 0, "undecodable_envelope", message, event=shown
    )


def _start_of(record: Record) -> dict[str, Any]:
    return {"payload_start_hex": record.value[:PAYLOAD_BYTES_SHOWN].hex()}


def _split(frame: pl.DataFrame, good: pl.Series) -> tuple[pl.DataFrame, pl.DataFrame]:
    return (frame, frame.clear()) if good.all() else (frame.filter(good), frame.filter(~good))


def _of_columns(form: re.Pattern[str]) -> str:
    """Return a form as polars reads it: whole texts, and another sign for their end."""
    return "^" + form.pattern.removeprefix("^").replace(r"\Z", r"\z")


def _breaking(values: pl.Series, form: re.Pattern[str]) -> list[str]:
    """Return the distinct values that do not have the form; distinct ones are few."""
    return [v for v in values.unique().to_list() if v is not None and not form.match(v)]


def _is_valid(frame: pl.DataFrame) -> pl.Series:
    is_void = pl.col("action") == "void"
    is_correction = pl.col("corrects") != ""
    counts = pl.col("token_types").list.len() + pl.col("unit_names").list.len()
    checks = [
        is_correction == (pl.col("action") != ""),
        pl.col("revision") >= is_correction.cast(pl.Int32),
        is_void == pl.col("occurred_at").is_null(),
        is_void | pl.col("occurred_at").is_between(_EARLIEST, _LATEST, closed="left"),
        *(is_void == (pl.col(name) == "") for name in _DESCRIBING),
        pl.col("token_types").list.len() == pl.col("token_counts").list.len(),
        pl.col("unit_names").list.len() == pl.col("unit_quantities").list.len(),
        is_void == (counts == 0),
        pl.col("token_counts").list.min().fill_null(0) >= 0,
        pl.col("token_counts").list.max().fill_null(0) <= COUNT_MAX,
    ]
    checks += [pl.col(name).str.contains(_of_columns(_TEXT_FORMS[name])) for name in _MANIFOLD]
    for name, form in _TEXT_FORMS.items():
        if name in _MANIFOLD:
            continue
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
    placing = pl.when(pl.col("corrects") != "").then("corrects").otherwise("event_id")
    parts = frame.select("vendor_id", "tenant_id", placing=placing)
    parts = parts.with_columns(length=pl.col("placing").str.len_bytes())
    names = ["vendor_id", "tenant_id", "length"]
    # The tenants of a batch are few: the checksum goes on from what they have in common.
    starts = parts.select(names).unique()
    starts = starts.with_columns(
        start=pl.Series([_checksum_before(*row) for row in starts.iter_rows()], dtype=pl.UInt32)
    )
    begun = parts.join(starts, on=names, how="left", maintain_order="left")
    ids, sums = begun["placing"].cast(pl.Binary).to_list(), begun["start"].to_list()
    checksums = [crc32(code, start) for code, start in zip(ids, sums, strict=True)]
    return pl.Series(checksums, dtype=pl.Int64) % partitions == frame["partition"]


def _checksum_before(vendor_id: str, tenant_id: str, length: int) -> int:
    """Return the checksum of a placing key up to where the id's own bytes begin."""
    return crc32(b"%b%d:" % (length_prefixed(vendor_id, tenant_id), length))


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
