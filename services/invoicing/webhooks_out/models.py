"""Values of webhooks out, as handlers and the repository exchange them."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.invoicing.webhooks_out.secrets import EndpointKey
from shared.accounts.repository import Account
from shared.events.message import Mode

EndpointState = Literal["enabled", "disabled"]
DeliveryState = Literal["pending", "delivered", "dead"]

DISABLED = "endpoint_disabled"
GONE = "endpoint_gone"
EXHAUSTED = "attempts_exhausted"


@dataclass(frozen=True)
class Endpoint:
    """Where a vendor wants to be told, and of what."""

    vendor_id: str
    mode: Mode
    endpoint_id: str
    url: str
    description: str
    event_types: list[str]
    state: EndpointState
    disabled_reason: str | None
    sealed: bytes
    failing_since: datetime | None
    paused_until: datetime | None
    created_at: datetime
    updated_at: datetime

    @property
    def key(self) -> EndpointKey:
        return EndpointKey(Account(self.vendor_id, self.mode), self.endpoint_id)


@dataclass(frozen=True)
class Delivery:
    """An event on its way to an endpoint. `round_attempts`: since it was made or replayed."""

    vendor_id: str
    mode: Mode
    endpoint_id: str
    event_id: str
    type: str
    tenant_id: str | None
    state: DeliveryState
    reason: str | None
    attempts: int
    round_attempts: int
    next_attempt_at: datetime
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True)
class Claimed:
    """A delivery that this process sends now, under a lease."""

    key: EndpointKey
    event_id: str
    payload: str
    attempt: int
    round_attempt: int
    lease: str


@dataclass(frozen=True)
class Attempt:
    """One attempt. Without `status`, `failure` and `latency_ms` its outcome is unknown."""

    number: int
    started_at: datetime
    status: int | None
    failure: str | None
    latency_ms: int | None
    answer: str | None


@dataclass(frozen=True)
class Answer:
    """What came of an attempt: a status, or why there is none. `text`: how the answer begins."""

    status: int | None
    failure: str | None
    latency_ms: int
    text: str = ""
    retry_after: str | None = None


@dataclass(frozen=True)
class Attempted:
    """What was sent where, and what came of it."""

    claimed: Claimed
    url: str
    answer: Answer


@dataclass(frozen=True)
class DeadDeliveries:
    """How much of an endpoint waits for a person."""

    endpoint_id: str
    disabled_reason: str | None
    count: int
    oldest: datetime | None
    newest: datetime | None
