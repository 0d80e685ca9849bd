"""The token event: as a client writes it, and as it is counted."""

from datetime import datetime
from hashlib import blake2b
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from shared.events.usage_recorded import context_band
from shared.ids import IDENTIFIER_PATTERN, canonical_event_id

COUNT_MAX = 10**15
"""Largest count of one token type in one event."""
EVENT_BYTES_MAX = 16 * 1024
TAGS_MAX = 20
TAG_VALUE_CHARACTERS_MAX = 500
LINE_MAX = 2**31 - 1
FINGERPRINT_BYTES = 16

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

UNSUPPORTED_FIELDS = ("corrects", "action", "revision", "outcome", "reservation_id")
"""Fields of the event that this version cannot honour: refused, never dropped silently."""


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
    revision: Annotated[int, msgspec.Meta(ge=0, le=0)] = 0
    corrects: None = None
    action: None = None
    outcome: None = None
    reservation_id: Literal[""] | None = None


class TokenEvent(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One event as it is counted: canonical id, UTC time, maps in the order of their keys.

    Its JSON encoding is canonical: defaults are left out, so that a field added at the end later
    leaves the fingerprints of older events as they are.
    """

    tenant_id: str
    event_id: str
    occurred_at: datetime
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

    @property
    def band(self) -> str:
        """Return the context band that picks a long-context price."""
        return context_band(self.context_input_tokens)


_encode = msgspec.json.Encoder().encode


def fingerprint(event: TokenEvent) -> bytes:
    """Return 16 bytes of BLAKE2b over the event's canonical encoding."""
    return blake2b(_encode(event), digest_size=FINGERPRINT_BYTES).digest()


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
    )


def shown(event: TokenEvent, *, partition: int) -> dict[str, Any]:
    """Return what a dry run answers of one event."""
    document: dict[str, Any] = msgspec.to_builtins(event)
    return document | {
        "context_band": event.band,
        "fingerprint": fingerprint(event).hex(),
        "partition": partition,
    }
