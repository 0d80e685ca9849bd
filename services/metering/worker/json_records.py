"""JSON records of trusted producers: the events of the HTTP API in an envelope of their own.

Each event passes the checks of the ingest API, with the age limit relative to the time of the
record. One that fails them is rejected alone, under its place in the list.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

import msgspec
import pyarrow as pa

from services.metering.domain.event import EVENT_BYTES_MAX, OptionalName
from services.metering.domain.faults import EventFault
from services.metering.domain.judge import Judged, Rules, judge
from services.metering.ingest.body import EventText, split
from services.metering.ingest.envelope import Sender, place
from shared.errors import TallyrollError
from shared.events.message import Mode
from shared.events.usage_recorded import SCHEMA
from shared.ids import IDENTIFIER_PATTERN

JSON_CONTENT_TYPE = b"application/json"
JSON_RECORD_BYTES_MAX = 4 * 1024 * 1024


class _AnyTenant(frozenset[str]):
    """Has every tenant: for events that were judged before."""

    def __contains__(self, _tenant: object) -> bool:
        return True


ANY_TENANT = _AnyTenant()


class Head(msgspec.Struct, gc=False):
    """Whose events a record holds."""

    vendor_id: Annotated[str, msgspec.Meta(pattern=IDENTIFIER_PATTERN)]
    mode: Mode


class _Envelope(Head, forbid_unknown_fields=True, gc=False):
    """A record as a producer writes it; `producer` names it in the audit of corrections."""

    events: msgspec.Raw
    producer: OptionalName = ""


@dataclass(frozen=True)
class Written:
    """What is known of a JSON record: when the broker has it from, and the account's tenants."""

    value: bytes
    taken_at: datetime
    tenants: frozenset[str] = ANY_TENANT


@dataclass(frozen=True)
class JsonFault:
    """Why one event (by its place in the list), or the whole record (0), is not counted."""

    index: int
    code: str
    message: str
    field: str = ""
    tenant_id: str = ""
    event_id: str = ""
    text: str = ""


@dataclass(frozen=True)
class JsonReading:
    """The good events as rows of the schema, with their places in the list; and the others."""

    rows: pa.Table
    indexes: list[int]
    faults: list[JsonFault]
    vendor_id: str = ""
    mode: Mode = "live"


def read_head(value: bytes) -> Head | None:
    """Return whose events a record holds; None when that cannot be read."""
    try:
        return msgspec.json.decode(value, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def read_json_record(written: Written) -> JsonReading:
    """Judge the events of a JSON record; never raises for what a producer wrote."""
    if len(written.value) > JSON_RECORD_BYTES_MAX:
        return _unreadable(f"A JSON record has at most {JSON_RECORD_BYTES_MAX} bytes.")
    try:
        envelope = msgspec.json.decode(written.value, type=_Envelope)
        if not bytes(envelope.events).lstrip().startswith(b"["):
            return _unreadable("The record's `events` is a list.")
        texts = split(bytes(envelope.events))
    except TallyrollError as refusal:
        return _unreadable(refusal.message)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        return _unreadable(f"The record is no JSON envelope: {error}.")
    return _judge_all(envelope, texts, written)


def _unreadable(message: str) -> JsonReading:
    fault = JsonFault(0, "undecodable_envelope", message)
    return JsonReading(SCHEMA.empty_table(), [], [fault])


def _judge_all(envelope: _Envelope, texts: list[EventText], written: Written) -> JsonReading:
    rules = Rules(
        now=written.taken_at,
        bound_tenant=None,
        known_tenants=written.tenants,
        backfill=False,
        corrections=True,
    )
    sender = Sender(envelope.vendor_id, envelope.mode, envelope.producer)
    rows, indexes, faults = [], [], []
    for index, text in enumerate(texts):
        judged = _judge(text, rules)
        if judged.event is not None:
            rows.append(place(judged.event, sender, partitions=1).row)
            indexes.append(index)
        else:
            faults.append(_fault(index, judged, text))
    columns = list(zip(*rows, strict=True)) or [()] * len(SCHEMA)
    arrays = [pa.array(c, field.type) for c, field in zip(columns, SCHEMA, strict=True)]
    table = pa.Table.from_arrays(arrays, schema=SCHEMA)
    return JsonReading(table, indexes, faults, envelope.vendor_id, envelope.mode)


def _judge(text: EventText, rules: Rules) -> Judged:
    try:
        return judge(text, rules)
    except msgspec.DecodeError:
        fault = EventFault("invalid_json", "", "The event is no JSON.")
        return Judged(None, fault=fault)


def _fault(index: int, judged: Judged, text: EventText) -> JsonFault:
    shown = bytes(memoryview(text))[:EVENT_BYTES_MAX].decode(errors="replace")
    fault = judged.fault
    assert fault is not None, "a verdict is an event or a fault"
    return JsonFault(
        index,
        fault.code,
        fault.message,
        field=fault.field,
        tenant_id=judged.named_tenant or "",
        event_id=judged.event_id or "",
        text=shown,
    )
