"""HTTP models of metering's API."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.events.message import Mode

DAYS_PER_REPUBLISH_MAX = 400


class EventResult(BaseModel):
    """What became of one event; `code`, `field` and `message` only when it is rejected."""

    index: int = Field(ge=0, description="place in the request, from 0")
    event_id: str | None
    status: Literal["accepted", "rejected"]
    code: str | None = None
    field: str | None = None
    message: str | None = None


class EventResults(BaseModel):
    """Answers in the order of the request."""

    results: list[EventResult]


class DryRunResult(EventResult):
    """As `EventResult`, with the event as it would be counted."""

    event: dict[str, Any] | None = None


class DryRunResults(BaseModel):
    results: list[DryRunResult]


class UsageAnswer(BaseModel):
    """Sums by the asked dimensions; each row has those, `kind`, `quantity` and `events`.

    Everything that was accepted before `as_of` is in.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "as_of": "2026-01-31T12:00:00Z",
                "from": "2026-01-01",
                "to": "2026-02-01",
                "mode": "test",
                "rows": [
                    {
                        "tenant": "acme",
                        "agent": "coder-1",
                        "model": "gpt-5",
                        "kind": "input_uncached",
                        "quantity": "123456",
                        "events": 100,
                    }
                ],
            }
        }
    )

    as_of: datetime
    first: date = Field(alias="from", description="first usage day, inclusive")
    end: date = Field(alias="to", description="usage day after the last, exclusive")
    mode: Mode
    rows: list[dict[str, Any]]


class RejectedEvent(BaseModel):
    code: str
    field: str
    message: str
    rejected_at: datetime
    partition: int
    offset: int
    index: int


class EventState(BaseModel):
    """Where an event stands. An id can be counted and have rejections: later, other contents."""

    event_id: str
    tenant: str
    state: Literal["pending", "counted", "rejected"]
    usage_day: date | None = None
    booked_day: date | None = None
    fingerprint: str | None = Field(default=None, description="hexadecimal")
    partition: int
    offset: int | None = None
    index: int | None = None
    rejections: list[RejectedEvent] = []


class RepublishRequest(BaseModel):
    """Days whose sums and seals are to be published again."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"days": ["2026-01-31"]}}
    )

    days: list[date] = Field(min_length=1, max_length=DAYS_PER_REPUBLISH_MAX)


class RepublishAnswer(BaseModel):
    changed: int = Field(description="days of tenants that go out again")
    seals: int = Field(description="seals that go out again, behind them")


class Statistics(BaseModel):
    """What the caller's account has counted since the beginning."""

    mode: Mode
    counted: int
    duplicates: int
    rejected: int
    as_of: datetime
