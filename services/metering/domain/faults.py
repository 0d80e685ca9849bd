"""Why one event is refused: always a code, the field and a sentence."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from services.metering.domain.event import Count, Units, WrittenEvent, WrittenVoid

_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(WrittenEvent)}
_VOID_FIELDS = {field.encode_name: field for field in msgspec.structs.fields(WrittenVoid)}
_READ_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_PART = re.compile(rb'"(?:[^"\\]|\\.)*+"|[\[{\]}:,]', re.DOTALL)

Text = bytes | msgspec.Raw
Form = Mapping[str, msgspec.structs.FieldInfo]


@dataclass(frozen=True)
class EventFault:
    """One thing that is wrong with an event; `field` is a path such as `tokens.input`."""

    code: str
    field: str
    message: str


class EventRefused(Exception):  # noqa: N818 - a refusal is no error of the program
    """Raised by a check with the fault that it found."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.fault = EventFault(code, field, message)


def explain(raw: Text, error: Exception) -> EventFault:
    """Return what is wrong with an event that could not be read as a `WrittenEvent`.

    Only refused events are looked at field by field, so the good ones stay fast.
    """
    fields: Mapping[str, Text]
    try:
        fields = msgspec.json.decode(raw, type=dict[str, msgspec.Raw])
    except msgspec.ValidationError:
        return EventFault("invalid_event", "", "An event is a JSON object.")
    except _READ_ERRORS:
        try:
            fields = _fields_by_brackets(bytes(memoryview(raw)))
        except _READ_ERRORS:
            return EventFault("invalid_encoding", "", "A field's name is no valid text.")
        if deep := _too_deep(fields):
            return deep
    is_void = bytes(memoryview(fields.get("action", b""))).strip() == b'"void"'
    form = _VOID_FIELDS if is_void else _FIELDS
    return (
        _wrong_fields(fields, form)
        or next(filter(None, (_wrong_value(n, v, form) for n, v in fields.items())), None)
        or EventFault("invalid_event", "", _sentence(error))
    )


def _fields_by_brackets(raw: bytes) -> dict[str, bytes]:
    """Split an object that the parser gives up on, to find the field that is at fault."""
    fields: dict[str, bytes] = {}
    depth, name, begin = 0, "", 0
    for part in _PART.finditer(raw):
        first = part[0][:1]
        if depth == 1 and first == b'"' and not name:
            name = msgspec.json.decode(part[0], type=str)
        elif depth == 1 and first == b":":
            begin = part.end()
        elif depth == 1 and first in b",}":
            fields[name] = raw[begin : part.start()]
            name = ""
        depth += (first in b"[{") - (first in b"]}")
    return fields


def _too_deep(fields: Mapping[str, Text]) -> EventFault | None:
    for name, value in fields.items():
        try:
            msgspec.json.decode(value)
        except RecursionError as error:
            return _fault(error, "nested_too_deep", name[:128])
        except _READ_ERRORS:
            continue
    return None


def is_no_json(error: Exception) -> bool:
    """Tell a body without structure from a value in it that cannot be read.

    A lone surrogate or another wrong escape leaves the structure readable: it is one event's
    fault, not the body's. Near the end of a text the parser calls it truncated.
    """
    values = (msgspec.ValidationError, UnicodeDecodeError, RecursionError)
    return not isinstance(error, values) and not re.search("surrogate|escape|truncated", str(error))


def _wrong_fields(fields: Mapping[str, Text], form: Form) -> EventFault | None:
    what = "A void" if form is _VOID_FIELDS else "An event"
    for name in fields:
        if name not in form:
            return EventFault("unknown_field", name[:128], f"{what} has no such field.")
    for name, field in form.items():
        if field.required and name not in fields:
            return EventFault("missing_field", name, f"{what} needs {name}.")
    return None


def _wrong_value(name: str, value: Text, form: Form) -> EventFault | None:
    if name in ("tokens", "units"):
        return _wrong_entry(name, value)
    try:
        msgspec.json.decode(value, type=form[name].type)
    except _READ_ERRORS as error:
        return _fault(error, "invalid_value", name)
    return None


def _wrong_entry(name: str, value: Text) -> EventFault | None:
    code, kind = ("invalid_count", Count) if name == "tokens" else ("invalid_quantity", Units)
    try:
        entries = msgspec.json.decode(value, type=dict[str, msgspec.Raw])
    except _READ_ERRORS as error:
        return _fault(error, code, name)
    for key, entry in entries.items():
        try:
            msgspec.json.decode(entry, type=kind)
        except _READ_ERRORS as error:
            return _fault(error, code, f"{name}.{key[:128]}")
    try:
        msgspec.json.decode(value, type=_FIELDS[name].type)
    except _READ_ERRORS as error:
        return _fault(error, "invalid_value", name)
    return None


def _fault(error: Exception, code: str, field: str) -> EventFault:
    if isinstance(error, RecursionError):
        return EventFault("nested_too_deep", field, "The value is nested too deeply.")
    if not isinstance(error, msgspec.ValidationError):
        return EventFault("invalid_encoding", field, "The text is no valid Unicode.")
    return EventFault(code, field, _sentence(error))


def _sentence(error: Exception) -> str:
    return re.sub(r" - at `.*", "", str(error)) + "."
