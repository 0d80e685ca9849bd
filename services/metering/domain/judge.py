"""Judging one event: readable, complete, in time; the answer is the normalised event or a fault."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import msgspec

from services.metering.domain.event import (
    EVENT_BYTES_MAX,
    METER_PREFIX,
    TokenEvent,
    WrittenEvent,
    WrittenVoid,
    normalise,
    normalise_void,
)
from services.metering.domain.faults import EventFault, EventRefused, explain, is_no_json
from services.metering.domain.token_types import (
    AMBIGUOUS_TOKEN_TYPES,
    KNOWN_TOKEN_TYPES,
    TOKEN_TYPES,
)

FUTURE_MAX = timedelta(minutes=5)
AGE_MAX = timedelta(days=35)
EARLIEST = datetime(2000, 1, 1, tzinfo=UTC)
"""Older times are typing errors, also under a key that may backfill."""

_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}:\d{2}(?:\.\d{1,30})?(?:[Zz]|[+-]\d{2}:[0-5]\d)\Z", re.ASCII
)
_decode = msgspec.json.Decoder(WrittenEvent).decode
_decode_void = msgspec.json.Decoder(WrittenVoid).decode


class Judged(msgspec.Struct, frozen=True, gc=False):
    """One event's verdict: exactly one of `event` and `fault` is set."""

    event_id: str | None
    event: TokenEvent | None = None
    fault: EventFault | None = None
    size: int = 0
    named_tenant: str | None = None


@dataclass(frozen=True)
class Rules:
    """What depends on the request: the time, the key's tenant and rights, the known tenants."""

    now: datetime
    bound_tenant: str | None
    known_tenants: frozenset[str]
    backfill: bool
    corrections: bool


def judge(raw: bytes | msgspec.Raw, rules: Rules) -> Judged:
    """Judge one event's JSON text. Raises `msgspec.DecodeError` only for what is no JSON."""
    size = len(memoryview(raw))
    if size > EVENT_BYTES_MAX:
        message = f"An event has at most {EVENT_BYTES_MAX} bytes."
        return Judged(_readable_id(raw), fault=EventFault("event_too_large", "", message))
    try:
        written = _read(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        if is_no_json(error):
            raise
        return Judged(_readable_id(raw), fault=explain(raw, error))
    event_id, tenant = written.event_id, written.tenant
    try:
        event = _accept(written, rules)
    except EventRefused as refusal:
        return Judged(event_id, fault=refusal.fault, named_tenant=tenant)
    return Judged(event_id, event=event, size=size, named_tenant=tenant)


def _read(raw: bytes | msgspec.Raw) -> WrittenEvent | WrittenVoid:
    try:
        return _decode(raw)
    except msgspec.ValidationError:
        if b'"void"' not in memoryview(raw).tobytes():
            raise
    try:
        return _decode_void(raw)
    except msgspec.ValidationError:
        return _decode(raw)


def _accept(written: WrittenEvent | WrittenVoid, rules: Rules) -> TokenEvent:
    if written.corrects is not None or written.action is not None:
        _check_correction(written, rules)
    tenant_id = rules.bound_tenant or written.tenant
    if tenant_id is None:
        raise EventRefused("missing_field", "tenant", "Under a vendor's key an event names it.")
    if rules.bound_tenant is None and tenant_id not in rules.known_tenants:
        raise EventRefused("unknown_tenant", "tenant", "There is no tenant of this id.")
    if isinstance(written, WrittenVoid):
        return normalise_void(written, tenant_id=tenant_id)
    if not written.tokens and not written.units:
        raise EventRefused("missing_field", "tokens", "An event counts tokens or units.")
    for name in written.tokens:
        if name not in KNOWN_TOKEN_TYPES:
            _refuse_token_type(name)
    for name in written.units:
        if name.startswith(METER_PREFIX):
            message = "Names that begin with `meter:` are those of meters' values."
            raise EventRefused("reserved_unit_name", f"units.{name[:128]}", message)
    occurred_at = _read_time(written.occurred_at, rules)
    return normalise(written, tenant_id=tenant_id, occurred_at=occurred_at)


def _check_correction(written: WrittenEvent | WrittenVoid, rules: Rules) -> None:
    if not rules.corrections:
        raise EventRefused("missing_scope", "corrects", "A correction needs events:correct.")
    if written.corrects is None:
        raise EventRefused("missing_field", "corrects", "A correction names the event it corrects.")
    if written.action is None:
        raise EventRefused("missing_field", "action", "A correction voids or replaces.")
    if written.revision < 1:
        message = "A correction has a revision of 1 or more; the highest wins."
        raise EventRefused("missing_field", "revision", message)
    if isinstance(written, WrittenEvent) and written.action == "void":
        message = "A void names the event and why; it carries no usage."
        raise EventRefused("void_with_usage", "action", message)


def _refuse_token_type(name: str) -> None:
    shown, path = name[:128], f"tokens.{name[:128]}"
    if hint := AMBIGUOUS_TOKEN_TYPES.get(name):
        raise EventRefused("ambiguous_token_type", path, f"{shown!r} can be misread; {hint}.")
    known = ", ".join(TOKEN_TYPES)
    raise EventRefused("unknown_token_type", path, f"Known token types are {known}.")


def _read_time(text: str, rules: Rules) -> datetime:
    if not _TIME.match(text):
        message = "A time is RFC 3339 with an offset, such as 2026-01-31T23:59:59.5Z."
        raise EventRefused("invalid_time", "occurred_at", message)
    try:
        # Digits beyond microseconds are cut off by fromisoformat, never rounded up.
        instant = datetime.fromisoformat(text.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        message = "There is no such time."
        raise EventRefused("invalid_time", "occurred_at", message) from error
    if instant > rules.now + FUTURE_MAX:
        message = "The event lies more than 5 minutes in the future."
        raise EventRefused("occurred_at_in_future", "occurred_at", message)
    if instant < EARLIEST or (instant < rules.now - AGE_MAX and not rules.backfill):
        message = "The event is older than 35 days; a key with events:backfill may send such."
        raise EventRefused("occurred_at_too_old", "occurred_at", message)
    return instant


class _OnlyId(msgspec.Struct):
    event_id: str


def _readable_id(raw: bytes | msgspec.Raw) -> str | None:
    try:
        return msgspec.json.decode(raw, type=_OnlyId).event_id[:128]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
