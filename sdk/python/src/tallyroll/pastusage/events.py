"""From a row to the fields of an event, and to an id that is the same each time. Pure."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any

import msgspec

from tallyroll.capture import encode_event
from tallyroll.event import Fault, InvalidEventError, checked_event_id
from tallyroll.pastusage.rows import Row

GROUPS = ("tokens", "units", "tags", "outcome")
"""Fields with names of their own below them: `tokens.input_uncached` in a column."""
INTEGERS = ("context_input_tokens", "line", "revision")
BOOLEANS = {"true": True, "false": False, "1": True, "0": False}


class Mapped(msgspec.Struct, frozen=True):
    """How the names of a file become those of an event.

    renamed    name in the file -> field of an event (`tokens.output_text`), empty to leave it out
    fixed      field -> text for every event that does not say it itself
    id_field   the name in the file whose value makes the id; None: `event_id` if the row has it,
               else line number and content
    namespace  sets two files apart that have the same line at the same place
    """

    renamed: Mapping[str, str] = {}
    fixed: Mapping[str, str] = {}
    id_field: str | None = None
    namespace: str = ""


class PastEvent(msgspec.Struct, frozen=True):
    """What `Meter.record()` takes."""

    event_id: str
    fields: dict[str, Any]


def event_of(row: Row, mapped: Mapped, *, needs_time: bool = True) -> PastEvent:
    """Return the event of a row, checked. Raises InvalidEventError with all faults.

    `needs_time`: an event of the past must not count as of today.
    """
    if row.fault is not None:
        raise InvalidEventError([row.fault])
    faults: list[Fault] = []
    fields = _grouped(row.values, mapped, faults)
    for name, text in mapped.fixed.items():
        _put(fields, name, text, faults, keep=True)
    own_id = fields.pop("event_id", None)
    faults += [
        Fault("unknown_field", name, "corrections are made by Meter.replace() and Meter.void()")
        for name in ("corrects", "action", "reason")
        if name in fields
    ]
    _read_texts(fields, faults)
    told = {fault.field for fault in faults}
    if needs_time and fields.get("occurred_at") is None and "occurred_at" not in told:
        faults.append(Fault("missing_field", "occurred_at", "is required of past usage"))
    try:
        event_id = _event_id(row, mapped, own_id)
    except InvalidEventError as error:
        event_id = ""
        faults += error.faults
    faults += _faults_of(fields, told={fault.field for fault in faults})
    if faults:
        raise InvalidEventError(faults)
    return PastEvent(event_id, fields)


def _faults_of(fields: Mapping[str, Any], *, told: set[str]) -> list[Fault]:
    """Return what `Meter.record()` would refuse and is not told yet."""
    try:
        encode_event("", fields, lambda: datetime.fromtimestamp(0, UTC))
    except InvalidEventError as error:
        return [fault for fault in error.faults if fault.field not in told]
    return []


def _event_id(row: Row, mapped: Mapped, own_id: object) -> str:
    value = own_id if mapped.id_field is None else row.values.get(mapped.id_field)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is not None or mapped.id_field is not None:
        return checked_event_id(value)
    place = f"{mapped.namespace}\0{row.line}\0".encode()
    return f"import-{sha256(place + row.content).hexdigest()[:40]}"


def _grouped(values: Mapping[str, Any], mapped: Mapped, faults: list[Fault]) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for name, value in values.items():
        field = mapped.renamed.get(name, "" if name == mapped.id_field else name)
        if field and value is not None:
            _put(fields, field, value, faults)
    return fields


def _put(
    fields: dict[str, Any], name: str, value: object, faults: list[Fault], *, keep: bool = False
) -> None:
    group, dot, key = name.partition(".")
    place, own = fields, name
    if dot and group in GROUPS:
        inner = fields.setdefault(group, {})
        if not isinstance(inner, dict):
            faults.append(Fault("invalid_mapping", group, "must be a mapping"))
            return
        fields[group] = place = dict(inner)
        own = key
    if own not in place:
        place[own] = dict(value) if isinstance(value, dict) else value
    elif not keep:
        faults.append(Fault("duplicate_key", name, "is said twice"))


def _read_texts(fields: dict[str, Any], faults: list[Fault]) -> None:
    """Read what is text in a file but a number, a flag or a time in an event."""
    readers: dict[str, Callable[[str], object]] = {
        "occurred_at": datetime.fromisoformat,
        "batch": lambda text: BOOLEANS[text.lower()],
        **dict.fromkeys(INTEGERS, _integer),
    }
    codes = {"occurred_at": "invalid_datetime", "batch": "invalid_flag"}
    for name in readers.keys() & fields.keys():
        if isinstance(fields[name], str):
            code = codes.get(name, "invalid_count")
            _read(fields, name, readers[name], faults, Fault(code, name, "cannot be read"))
    tokens = fields.get("tokens")
    for name in list(tokens) if isinstance(tokens, dict) else ():
        assert isinstance(tokens, dict)
        if isinstance(tokens[name], str):
            fault = Fault("invalid_count", f"tokens.{name}", "must be an integer")
            _read(tokens, name, _integer, faults, fault)


def _read(
    place: dict[str, Any],
    name: str,
    read: Callable[[str], object],
    faults: list[Fault],
    fault: Fault,
) -> None:
    try:
        place[name] = read(place[name].strip())
    except (ValueError, KeyError):
        faults.append(fault)
        del place[name]


def _integer(text: str) -> int:
    if not (text.isascii() and text.isdecimal()):
        raise ValueError(text)
    return int(text)
