"""HTTP models of metering's API."""

from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.metering.domain.meters.definition import Definition
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


class LoggedEvent(BaseModel):
    """One event as it lies in the log; absent texts are empty."""

    event_id: str
    tenant: str
    occurred_at: datetime
    agent: str
    model: str
    provider: str
    tokens: dict[str, int]
    units: dict[str, str]
    context_band: str
    context_input_tokens: int | None
    service_tier: str
    batch: bool
    speed: str
    region: str
    user: str
    team: str
    run_id: str
    parent_run_id: str
    purpose: str
    status: str
    response_id: str
    line: int
    instrument: str
    revision: int
    corrects: str
    action: str
    reason: str
    reservation_id: str
    tags: dict[str, Any]
    outcome: dict[str, Any] | None
    partition: int
    offset: int
    index: int


class EventsPage(BaseModel):
    """Single events in the order of the log.

    An event that was sent twice is here twice, under one id: `GET /v1/events/{id}` tells which
    position is counted. What was rejected is left out. A page can have fewer events than asked
    for; there are more as long as there is a `next_cursor`.
    """

    events: list[LoggedEvent]
    next_cursor: str | None


class RejectedEvent(BaseModel):
    code: str
    field: str
    message: str
    rejected_at: datetime
    partition: int
    offset: int
    index: int


class EventVersion(BaseModel):
    """A revision of the event, or a correction that names it, and what became of it."""

    event_id: str = Field(description="the correction's own id; of a revision the event's")
    corrects: str | None = Field(description="the event that it names")
    action: Literal["void", "replace"]
    revision: int
    actor: str = Field(description="id of the key that sent the correction")
    reason: str
    state: Literal["waiting", "applied", "stale", "conflict", "corrects_duplicate"]
    recorded_at: datetime
    partition: int
    offset: int
    index: int


class Difference(BaseModel):
    """A field of which two instruments say something else; null: the one says nothing."""

    field: str = Field(examples=["tokens.output_text"])
    booked: str | None
    here: str | None


class DuplicateOf(BaseModel):
    """The same response as another instrument booked it, and where that event lies.

    `differences` change no count. Null: the two cannot be compared, since one of them can no longer
    be read, or they are different lines of the response.
    """

    instrument: str
    partition: int
    offset: int
    index: int
    differences: list[Difference] | None = None


class EventState(BaseModel):
    """Where an event stands. An id can be counted and have rejections: later, other contents.

    `counted`: its usage is in the sums, at `revision`; `voided`: taken back by a correction;
    `duplicate`: another instrument has booked the response; `correction`: the id is that of a
    correction, see `versions`; `pending`: accepted, not yet counted.
    """

    event_id: str
    tenant: str
    state: Literal["pending", "counted", "voided", "duplicate", "rejected", "correction"]
    revision: int | None = Field(default=None, description="of the version that counts")
    usage_day: date | None = Field(default=None, description="of the first event of the id")
    booked_day: date | None = None
    fingerprint: str | None = Field(
        default=None, description="first 8 bytes, hexadecimal, of the version that counts"
    )
    partition: int
    offset: int | None = Field(default=None, description="of the first event of the id")
    index: int | None = None
    duplicate_of: DuplicateOf | None = None
    versions: list[EventVersion] = []
    rejections: list[RejectedEvent] = []


class RepublishRequest(BaseModel):
    """Days whose sums and seals are to be published again."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"days": ["2026-01-31"]}}
    )

    days: list[date] = Field(min_length=1, max_length=DAYS_PER_REPUBLISH_MAX)


class RepublishAnswer(BaseModel):
    changed: int = Field(description="days of tenants that go out again")
    runs: int = Field(description="runs with events on these days that go out again")
    seals: int = Field(description="seals that go out again, behind them")


class Statistics(BaseModel):
    """What the caller's account has counted since the beginning."""

    mode: Mode
    counted: int
    duplicates: int
    stale: int = Field(description="lower revisions than the one that counts")
    corrections: int = Field(description="higher revisions, and corrections")
    rejected: int
    as_of: datetime


class Outcomes(BaseModel):
    """Outcomes of one name from one source: values of different sources are never added."""

    name: str
    source: str = Field(description="who says so; `measured:`, `self_reported:`, … before it")
    count: int
    value: str = Field(description="sum of the outcomes' values, an exact decimal")


class TreeSums(BaseModel):
    """A run and all runs below it."""

    runs: int
    events: int
    usage: dict[str, str] = Field(description="quantity by kind")
    outcomes: list[Outcomes] = Field(description="by name and source")


class Run(BaseModel):
    """One run: what it used itself, and with all runs below it.

    `status` and `parent_run_id` are those of its latest events.
    """

    run_id: str
    parent_run_id: str = Field(description="empty: a run of its own")
    agents: list[str]
    status: str
    first_at: datetime
    last_at: datetime
    events: int
    usage: dict[str, str] = Field(description="quantity by kind")
    outcomes: list[Outcomes] = Field(description="by name and source")
    tree: TreeSums


class RunsAnswer(BaseModel):
    """Everything that was accepted before `as_of` is in."""

    as_of: datetime
    mode: Mode
    tenant: str
    runs: list[Run]
    next_cursor: str | None = Field(description="null: that was the last page")


class RunAnswer(Run):
    """Everything that was accepted before `as_of` is in."""

    as_of: datetime
    tenant: str


class MeterWrite(BaseModel):
    """A new version of a meter."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {
                "name": "agent-actions",
                "definition": {
                    "source": {"tokens": {"input_uncached": "1", "output_text": "1"}},
                    "filters": [{"field": "purpose", "values": ["production"]}],
                    "aggregation": "sum",
                    "per_event": {"ceil_to": "10000", "count_steps": True, "rate": "20"},
                },
            }
        },
    )

    name: Any
    definition: Any = Field(description="checked as a whole: every fault is told at once")


class Meter(BaseModel):
    """One version of a meter; a version never changes."""

    name: str
    version: int
    kind: str | None = Field(description="of the usage rows of an additive meter, else null")
    definition: Definition
    content_hash: str = Field(description="SHA-256, hexadecimal")
    created_at: datetime
    is_backfilled: bool | None = Field(
        description="whether past events are counted; null where values are computed on request"
    )


class Meters(BaseModel):
    meters: list[Meter]


class MeterValue(BaseModel):
    """A meter's value for one tenant over one period."""

    name: str
    version: int
    tenant: str
    first: date = Field(alias="from", description="inclusive")
    end: date = Field(alias="to", description="exclusive")
    value: str = Field(description="exact: a plain decimal, or numerator/denominator")
    events: int = Field(description="that the meter counted")
    provisional: bool = Field(description="the period's last day is not sealed, or not all counted")
    input_hash: str | None = Field(
        description="SHA-256 of the events behind a stored value; null while provisional"
    )
    as_of: datetime
