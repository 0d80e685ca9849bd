"""The token event: its fields, its identity, and what may be wrong with one."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Required, TypedDict
from uuid import UUID

import msgspec
import uuid_utils

EVENT_ID_CHARACTERS_MAX = 128
COUNT_MAX = 10**15
"""Largest count of tokens of one type in one event, inclusive."""


class Outcome(TypedDict, total=False):
    """A named result of the work: what is counted for cost per outcome."""

    name: Required[str]
    value: Decimal | int | str
    """Exact; 1 if left out."""
    source: str
    """Who says so: `measured`, `self_reported` or `modelled`, alone or as in `measured:crm`."""


class _OtherFields(TypedDict, total=False):
    """The fields of an event but for those of which some need one and others do not."""

    provider: str | None
    """In OpenTelemetry's spelling: `openai`, `anthropic`, `gcp.gemini`, `aws.bedrock`, …"""
    tokens: Mapping[str, int] | None
    """Mutually exclusive counts by token type, each 0 to 10^15 inclusive."""
    units: Mapping[str, Decimal | int | str] | None
    """Other billable quantities, exact; a float is refused."""
    occurred_at: datetime | None
    """Start of the request, with a time zone; the moment of `record()` if left out."""
    tenant: str | None
    user: str | None
    team: str | None
    run_id: str | None
    parent_run_id: str | None
    purpose: Literal["production", "explore", "eval"] | None
    status: Literal["completed", "aborted", "failed"] | None
    service_tier: str | None
    batch: bool | None
    speed: str | None
    region: str | None
    context_input_tokens: int | None
    """Total input of that request; it picks the long-context price."""
    response_id: str | None
    line: int | None
    instrument: str | None
    tags: Mapping[str, str] | None
    reservation_id: str | None


class EventFields(_OtherFields, total=False):
    """What an event says. Leaving one out and passing None are the same."""

    agent: Required[str]
    """What acted."""
    model: Required[str]
    """What it ran on."""
    outcome: Outcome | None


class RecordedFields(_OtherFields, total=False):
    """The keyword arguments of `Meter.record()`: those of an event, and its revision."""

    agent: str | None
    """What acted; from the scope around if left out, which must then name one."""
    model: Required[str]
    """What it ran on."""
    outcome: Outcome | None
    revision: int | None
    """Of a stream that grows under one `event_id`: the highest revision counts."""


class OutcomeFields(_OtherFields, total=False):
    """The other keyword arguments of `Meter.outcome()`."""

    agent: str | None
    model: str | None


class CorrectedFields(OutcomeFields, total=False):
    """The keyword arguments of `Meter.correct()`: of a replacement those of an event."""

    outcome: Outcome | None


_Name = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]


class TokenEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The event on the wire; what is not set is left out. An allow-list: nothing else travels.

    The bounds are those of `capture.py`, which says what is wrong with a value outside of them.
    """

    event_id: str
    occurred_at: Any
    """Text; or a datetime in UTC, with microseconds, which is written in the same way."""
    agent: _Name
    model: _Name
    provider: str | None = None
    tokens: dict[str, _Count] | None = None
    units: dict[str, str] | None = None
    tenant: str | None = None
    user: str | None = None
    team: str | None = None
    run_id: str | None = None
    parent_run_id: str | None = None
    purpose: str | None = None
    status: str | None = None
    service_tier: str | None = None
    batch: bool | None = None
    speed: str | None = None
    region: str | None = None
    context_input_tokens: _Count | None = None
    response_id: str | None = None
    line: _Count | None = None
    instrument: str | None = None
    tags: dict[str, str] | None = None
    revision: _Count | None = None
    outcome: dict[str, str] | None = None
    reservation_id: str | None = None
    corrects: str | None = None
    action: str | None = None
    reason: str | None = None


class VoidEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A correction on the wire that takes an event back."""

    event_id: str
    corrects: str
    revision: int
    action: str
    tenant: str | None = None
    reason: str | None = None


class Fault(msgspec.Struct, frozen=True):
    """One thing that is wrong with an event."""

    code: str
    field: str
    message: str


class InvalidEventError(ValueError):
    """An event that cannot be sent as it was meant; `faults` has every fault, at least one."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(f"{f.field}: {f.message} ({f.code})" for f in faults))
        self.faults = faults


def new_event_id() -> str:
    """Return a fresh UUIDv7 in canonical spelling; forked processes never mint the same."""
    return str(uuid_utils.uuid7())


def checked_event_id(event_id: object) -> str:
    """Return a caller's own id as text, or raise InvalidEventError."""
    if isinstance(event_id, UUID | uuid_utils.UUID):
        return str(event_id)
    if isinstance(event_id, str) and 0 < len(event_id) <= EVENT_ID_CHARACTERS_MAX:
        return str.__str__(event_id)
    message = f"must be text of 1 to {EVENT_ID_CHARACTERS_MAX} characters"
    raise InvalidEventError([Fault("invalid_event_id", "event_id", message)])
