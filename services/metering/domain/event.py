"""The token event: as a client writes it, and as it is counted."""

from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from shared.context_bands import context_band
from shared.ids import IDENTIFIER_PATTERN, canonical_event_id

COUNT_MAX = 10**15
"""Largest count of one token type in one event."""
EVENT_BYTES_MAX = 16 * 1024
TAGS_MAX = 20
TAG_VALUE_CHARACTERS_MAX = 500
LINE_MAX = 2**31 - 1
FINGERPRINT_BYTES = 16

METER_PREFIX = "meter:"
"""How the kinds begin under which values of meters travel."""

Name = Annotated[str, msgspec.Meta(pattern=IDENTIFIER_PATTERN)]
OptionalName = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.:/@+-]{0,128}\Z")]
Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]
Units = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,9})?\Z")]
TagValue = Annotated[
    str,
    msgspec.Meta(max_length=TAG_VALUE_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z"),
]
Value = TypeVar("Value", int, str)
Purpose = Literal["production", "explore", "eval"]
Status = Literal["completed", "aborted", "failed"]

REVISION_MAX = 2**31 - 1
REASON_CHARACTERS_MAX = 500

Revision = Annotated[int, msgspec.Meta(ge=0, le=REVISION_MAX)]
Reason = Annotated[
    str,
    msgspec.Meta(max_length=REASON_CHARACTERS_MAX, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z"),
]
Action = Literal["void", "replace"]


class Outcome(msgspec.Struct, forbid_unknown_fields=True, frozen=True, gc=False):
    """A named result of the work, with its value and who says so: for cost per outcome."""

    name: Name
    value: Units = "1"
    source: OptionalName = ""


class WrittenEvent(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """One event as a client writes it, types and bounds checked. Times are still text."""

    event_id: Name
    agent: Name
    model: Name
    provider: Name
    occurred_at: str
    tenant: Name | None = None
    tokens: dict[str, Count] = {}
    units: dict[Name, Units] = {}
    context_input_tokens: Count | None = None
    service_tier: OptionalName = ""
    batch: bool = False
    speed: OptionalName = ""
    region: OptionalName = ""
    user: OptionalName = ""
    team: OptionalName = ""
    run_id: OptionalName = ""
    parent_run_id: OptionalName = ""
    purpose: Purpose = "production"
    status: Status = "completed"
    tags: Annotated[dict[Name, TagValue], msgspec.Meta(max_length=TAGS_MAX)] = {}
    response_id: OptionalName = ""
    line: Annotated[int, msgspec.Meta(ge=0, le=LINE_MAX)] = 0
    instrument: OptionalName = ""
    revision: Revision = 0
    corrects: Name | None = None
    action: Action | None = None
    reason: Reason = ""
    outcome: Outcome | None = None
    reservation_id: OptionalName = ""


class WrittenVoid(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A correction that takes an event back: it says which and why, and nothing else."""

    event_id: Name
    corrects: Name
    action: Literal["void"]
    revision: Annotated[int, msgspec.Meta(ge=1, le=REVISION_MAX)]
    tenant: Name | None = None
    reason: Reason = ""


class TokenEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One event as it is counted: canonical id, UTC time, maps in the order of their keys.

    A void has no `occurred_at`. The order of the fields is that of `digest`.
    """

    tenant_id: str
    event_id: str
    occurred_at: datetime | None
    agent: str
    model: str
    provider: str
    tokens: dict[str, int]
    units: dict[str, str]
    context_input_tokens: int | None = None
    service_tier: str = ""
    batch: bool = False
    speed: str = ""
    region: str = ""
    user: str = ""
    team: str = ""
    run_id: str = ""
    parent_run_id: str = ""
    purpose: str = "production"
    status: str = "completed"
    tags: dict[str, str] = {}
    response_id: str = ""
    line: int = 0
    instrument: str = ""
    revision: int = 0
    corrects: str = ""
    action: str = ""
    reason: str = ""
    outcome: Outcome | None = None
    reservation_id: str = ""

    @property
    def partition_id(self) -> str:
        """Return the id that places the event: a correction lies where its target does."""
        return self.corrects or self.event_id

    @property
    def band(self) -> str:
        """Return the context band that picks a long-context price."""
        return context_band(self.context_input_tokens)


_encode = msgspec.msgpack.Encoder().encode
_UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Content = tuple[Any, ...]


def microseconds(instant: datetime) -> int:
    """Return microseconds since 1970-01-01T00:00Z."""
    return (instant - _UNIX_EPOCH) // _MICROSECOND


def fingerprint(event: TokenEvent) -> bytes:
    """Return 16 bytes of BLAKE2b over the normalised event."""
    tenant_id, event_id, occurred_at, *rest = msgspec.structs.astuple(event)
    instant = None if occurred_at is None else microseconds(occurred_at)
    return digest((tenant_id, event_id, instant, *rest))


def digest(content: Content) -> bytes:
    """Return the fingerprint of the values of a `TokenEvent`, its time as `microseconds`.

    A field that is added later must stand here only where it differs from its default, so that
    older events keep their fingerprints.
    """
    return blake2b(_encode(content), digest_size=FINGERPRINT_BYTES).digest()


def plain_units(quantity: str) -> str:
    """Return the one spelling of a plain decimal: `007.50` is `7.5`, `1.00` is `1`."""
    whole, _, part = quantity.partition(".")
    whole, part = whole.lstrip("0") or "0", part.rstrip("0")
    return f"{whole}.{part}" if part else whole


def _sorted(values: dict[str, Value]) -> dict[str, Value]:
    return dict(sorted(values.items())) if len(values) > 1 else values


def normalise(written: WrittenEvent, *, tenant_id: str, occurred_at: datetime) -> TokenEvent:
    """Return the event as it is counted; `occurred_at` is UTC with at most microseconds."""
    return TokenEvent(
        tenant_id=tenant_id,
        event_id=canonical_event_id(written.event_id),
        occurred_at=occurred_at,
        agent=written.agent,
        model=written.model,
        provider=written.provider,
        tokens=_sorted(written.tokens),
        units={name: plain_units(value) for name, value in _sorted(written.units).items()},
        context_input_tokens=written.context_input_tokens,
        service_tier=written.service_tier,
        batch=written.batch,
        speed=written.speed,
        region=written.region,
        user=written.user,
        team=written.team,
        run_id=written.run_id,
        parent_run_id=written.parent_run_id,
        purpose=written.purpose,
        status=written.status,
        tags=_sorted(written.tags),
        response_id=written.response_id,
        line=written.line,
        instrument=written.instrument,
        revision=written.revision,
        corrects=canonical_event_id(written.corrects) if written.corrects else "",
        action=written.action or "",
        reason=written.reason,
        outcome=written.outcome,
        reservation_id=written.reservation_id,
    )


def normalise_void(written: WrittenVoid, *, tenant_id: str) -> TokenEvent:
    """Return a void as it is written to the log: all that describes usage is empty."""
    return TokenEvent(
        tenant_id=tenant_id,
        event_id=canonical_event_id(written.event_id),
        occurred_at=None,
        agent="",
        model="",
        provider="",
        tokens={},
        units={},
        revision=written.revision,
        corrects=canonical_event_id(written.corrects),
        action=written.action,
        reason=written.reason,
    )


def shown(event: TokenEvent, *, partition: int) -> dict[str, Any]:
    """Return what a dry run answers of one event."""
    document: dict[str, Any] = msgspec.to_builtins(event)
    return document | {
        "context_band": event.band,
        "fingerprint": fingerprint(event).hex(),
        "partition": partition,
    }
