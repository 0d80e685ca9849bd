"""From the arguments of `record()` to the bytes of an event: every field checked."""

import operator
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, SupportsIndex, cast

import msgspec

from tallyroll.event import (
    COUNT_MAX,
    Fault,
    InvalidEventError,
    RecordedFields,
    TokenEvent,
    VoidEvent,
)

QUANTITY_DIGITS_MAX = 40
"""Digits of a quantity before, and after, its decimal point, inclusive."""
AMBIGUOUS_TOKEN_TYPES = {
    "input": "Name what the provider charges for: input_uncached, input_cache_read, …",
    "output": "Name what the provider charges for: output_text, output_reasoning, …",
}


class _RefusalError(Exception):
    """Raised by a check: code, field, message."""


def encode_event(
    event_id: str,
    fields: Mapping[str, object],
    now: Callable[[], datetime],
    *,
    correction: Mapping[str, object] | None = None,
) -> bytes:
    """Return the event as one JSON object, which later changes to the caller's values cannot reach.

    `now` is asked if there is no `occurred_at`. `correction` has corrects, action, revision and
    reason when the event replaces another. Raises InvalidEventError with all faults.
    """
    if correction is None and (frame := _encode_at_once(event_id, fields, now)) is not None:
        return frame
    values, faults = _checked(fields)
    more, wrong = _checked_correction(correction or {})
    values, faults = values | more, faults + wrong
    if "occurred_at" not in values:
        values["occurred_at"] = _instant("occurred_at", now())
    faults += [
        Fault("missing_field", name, "is required")
        for name in ("agent", "model")
        if name not in values and all(fault.field != name for fault in faults)
    ]
    if faults:
        raise InvalidEventError(faults)
    return _encode(TokenEvent(event_id=event_id, **values))


def _encode_at_once(
    event_id: str, fields: Mapping[str, object], now: Callable[[], datetime]
) -> bytes | None:
    """Return the usual event, checked in one call; None for any that has to be looked at closer.

    In a fraction of the time that the checks take one by one. It takes nothing that they would not
    take, and writes the same.
    """
    if not fields.keys() <= _AT_ONCE:
        return None
    for name in ("tokens", "tags"):
        entries = fields.get(name)
        if entries is not None and type(entries) is not dict:
            return None  # msgspec might not call the methods that a class of the caller's has
    moment = fields.get("occurred_at")
    if moment is None:
        moment = now()
    if type(moment) is not datetime or moment.tzinfo is not UTC or not moment.microsecond:
        return None
    values = {**fields, "event_id": event_id, "occurred_at": moment}
    try:
        if (units := fields.get("units")) is not None:
            values["units"] = _entries("units", units, _quantity)
        event = msgspec.convert(values, TokenEvent)
        if event.tokens is not None and not AMBIGUOUS_TOKEN_TYPES.keys().isdisjoint(event.tokens):
            return None
        return msgspec.json.encode(event)
    except (_RefusalError, msgspec.ValidationError, TypeError, ValueError):
        return None


def encode_void(
    event_id: str, correction: Mapping[str, object], fields: Mapping[str, object]
) -> bytes:
    """Return a void as one JSON object; of `fields` it may only have a tenant.

    Raises InvalidEventError with all faults.
    """
    values, faults = _checked_correction(correction)
    more, wrong = _checked({"tenant": fields.get("tenant")})
    faults += wrong + [
        Fault("void_with_usage", name, "a void says which event and why, and nothing else")
        for name, value in fields.items()
        if name != "tenant" and value is not None
    ]
    if faults:
        raise InvalidEventError(faults)
    return _encode(VoidEvent(event_id=event_id, **values, **more))


def _encode(event: TokenEvent | VoidEvent) -> bytes:
    try:
        return msgspec.json.encode(event)
    except UnicodeEncodeError as error:
        message = "holds text that is not valid Unicode"
        raise InvalidEventError([Fault("invalid_text", "event", message)]) from error


def _checked(fields: Mapping[str, object]) -> tuple[dict[str, Any], list[Fault]]:
    return _check_all(fields, _CHECKS)


def _checked_correction(fields: Mapping[str, object]) -> tuple[dict[str, Any], list[Fault]]:
    return _check_all(fields, _CORRECTION_CHECKS)


def _check_all(
    fields: Mapping[str, object], checks: Mapping[str, Callable[[str, object], object]]
) -> tuple[dict[str, Any], list[Fault]]:
    values: dict[str, Any] = {}
    faults: list[Fault] = []
    for name, value in fields.items():
        if value is None:
            continue
        try:
            check = checks.get(name, _unknown)
            values[name] = check(name, value)
        except _RefusalError as refusal:
            faults.append(Fault(*refusal.args))
    return values, faults


def _unknown(field: str, _value: object) -> object:
    raise _RefusalError("unknown_field", field, "is no field of a token event")


def _text(field: str, value: object) -> str:
    if not isinstance(value, str):
        raise _RefusalError("invalid_text", field, "must be text")
    return str.__str__(value)  # a subclass, such as an enumeration, as the plain text it is


def _required_text(field: str, value: object) -> str:
    text = _text(field, value)
    if not text:
        raise _RefusalError("missing_field", field, "is required")
    return text


def _flag(field: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise _RefusalError("invalid_flag", field, "must be True or False")
    return value


def _count(field: str, value: object) -> int:
    if isinstance(value, bool):
        raise _RefusalError("invalid_count", field, "must be an integer")
    try:
        count = operator.index(cast("SupportsIndex", value))
    except TypeError as error:
        raise _RefusalError("invalid_count", field, "must be an integer") from error
    if not 0 <= count <= COUNT_MAX:
        raise _RefusalError("invalid_count", field, "must be from 0 to 10^15")
    return count


def _quantity(field: str, value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise _RefusalError("invalid_quantity", field, "must be a Decimal, an integer or text")
    try:
        number = Decimal(value)
    except (InvalidOperation, ValueError) as error:
        raise _RefusalError("invalid_quantity", field, "must be a decimal number") from error
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int):
        raise _RefusalError("invalid_quantity", field, "must be finite")
    if number.adjusted() >= QUANTITY_DIGITS_MAX or exponent < -QUANTITY_DIGITS_MAX:
        raise _RefusalError("invalid_quantity", field, "has too many digits")
    return format(number, "f")


def _instant(field: str, value: object) -> str:
    if not isinstance(value, datetime):
        raise _RefusalError("invalid_datetime", field, "must be a datetime")
    if value.utcoffset() is None:
        raise _RefusalError("naive_datetime", field, "must have a time zone")
    try:
        instant = value.astimezone(UTC)
    except OverflowError as error:
        raise _RefusalError("invalid_datetime", field, "is out of range") from error
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _entries(field: str, value: object, check: Callable[[str, object], object]) -> object:
    if not isinstance(value, Mapping):
        raise _RefusalError("invalid_mapping", field, "must be a mapping")
    entries: dict[str, object] = {}
    for key, entry in value.items():
        if not isinstance(key, str):
            raise _RefusalError("invalid_text", field, "must have keys of text")
        entries[str.__str__(key)] = check(f"{field}.{key}", entry)
    return entries


def _tokens(field: str, value: object) -> object:
    counts = _entries(field, value, _count)
    assert isinstance(counts, dict)
    for name, hint in AMBIGUOUS_TOKEN_TYPES.items():
        if name in counts:
            raise _RefusalError("ambiguous_token_type", f"{field}.{name}", hint)
    return counts


def _outcome(field: str, value: object) -> object:
    if not isinstance(value, Mapping):
        raise _RefusalError("invalid_mapping", field, "must be a mapping")
    checks = {"name": _required_text, "value": _quantity, "source": _text}
    for name in value:
        if name not in checks:
            raise _RefusalError("unknown_field", f"{field}.{name}", "is no field of an outcome")
    if "name" not in value:
        raise _RefusalError("missing_field", f"{field}.name", "is required")
    return {name: checks[name](f"{field}.{name}", entry) for name, entry in value.items()}


def _correcting_revision(field: str, value: object) -> int:
    revision = _count(field, value)
    if revision < 1:
        raise _RefusalError("invalid_revision", field, "must be at least 1; the highest wins")
    return revision


def _action(field: str, value: object) -> str:
    if value not in ("replace", "void"):
        raise _RefusalError("invalid_action", field, "must be 'replace' or 'void'")
    return _text(field, value)


_CHECKS: dict[str, Callable[[str, object], object]] = {
    **dict.fromkeys(RecordedFields.__annotations__, _text),
    "agent": _required_text,
    "model": _required_text,
    "occurred_at": _instant,
    "tokens": _tokens,
    "units": lambda field, value: _entries(field, value, _quantity),
    "tags": lambda field, value: _entries(field, value, _text),
    "batch": _flag,
    "context_input_tokens": _count,
    "line": _count,
    "revision": _count,
    "outcome": _outcome,
}
_CORRECTION_CHECKS: dict[str, Callable[[str, object], object]] = {
    "corrects": _required_text,
    "action": _action,
    "reason": _text,
    "revision": _correcting_revision,
}
_AT_ONCE = RecordedFields.__annotations__.keys() - {"outcome"}
"""The fields whose values travel as they are, if they are of the right type and range; but units,
which are checked one by one."""
