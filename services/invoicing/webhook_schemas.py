"""HTTP models of webhooks out."""

from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from services.invoicing.domain.webhook_address import URL_LENGTH_MAX
from services.invoicing.webhooks_out.models import DeliveryState, EndpointState

OVERLAP_HOURS_MAX = 7 * 24
EventTypeName = Annotated[str, StringConstraints(pattern=r"^[a-z_.*]{1,64}$")]
Description = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{0,200}$")]


class WebhookEndpointWrite(BaseModel):
    """Where a vendor wants to be told, for the mode of the caller's key, and of what."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [
                {"url": "https://hooks.example.com/tallyroll", "event_types": ["invoice.*"]}
            ]
        },
    )

    url: str = Field(
        max_length=URL_LENGTH_MAX, description="https, a public host, port 443 or 8443"
    )
    description: Description = ""
    event_types: list[EventTypeName] = Field(
        default=["*"],
        min_length=1,
        max_length=50,
        description="types, groups such as `invoice.*`, or `*` for everything",
    )
    enabled: bool = Field(
        default=True,
        description="false: nothing is sent, and what happens meanwhile is kept as dead deliveries",
    )


class WebhookSecretRead(BaseModel):
    """A signing secret as it may be shown later: its last four characters."""

    last4: str
    created_at: datetime
    expires_at: datetime | None = Field(description="null: the newest, which does not expire")


class WebhookEndpointRead(BaseModel):
    """An endpoint."""

    endpoint_id: str
    url: str
    description: str
    event_types: list[str]
    state: EndpointState
    disabled_reason: str | None = Field(description="by_hand, or endpoint_gone: it answered 410")
    failing_since: datetime | None = Field(description="null: the last attempt was good")
    paused_until: datetime | None = Field(description="as the endpoint asked with Retry-After")
    secrets: list[WebhookSecretRead] = Field(description="that sign now, the newest first")
    created_at: datetime
    updated_at: datetime


class WebhookEndpointMade(WebhookEndpointRead):
    """An endpoint, with its secret when it was made by this request."""

    secret: str | None = Field(description="whsec_…, shown this once; null for a change")


class WebhookEndpointList(BaseModel):
    webhook_endpoints: list[WebhookEndpointRead]


class SecretRotation(BaseModel):
    """How long the secrets before the new one sign beside it."""

    model_config = ConfigDict(extra="forbid")

    overlap_hours: int = Field(default=24, ge=0, le=OVERLAP_HOURS_MAX)


class WebhookTestQueued(BaseModel):
    event_id: str = Field(description="the `webhook-id` of the delivery")


class WebhookEventTypeRead(BaseModel):
    name: str
    version: int
    description: str
    example: dict[str, Any]


class WebhookEventTypeList(BaseModel):
    webhook_event_types: list[WebhookEventTypeRead]


class WebhookDeliveryRead(BaseModel):
    """An event on its way to an endpoint."""

    endpoint_id: str
    event_id: str = Field(description="sent as `webhook-id`, the same on every attempt")
    type: str
    tenant_id: str | None
    state: DeliveryState
    reason: str | None = Field(
        description="why it is dead: attempts_exhausted, endpoint_gone, endpoint_disabled"
    )
    attempts: int
    next_attempt_at: datetime | None = Field(description="null when it is delivered or dead")
    created_at: datetime
    finished_at: datetime | None


class WebhookDeliveryPage(BaseModel):
    """Deliveries, the newest event first; `next` is the `before` of the next page."""

    webhook_deliveries: list[WebhookDeliveryRead]
    next: str | None


class WebhookAttemptRead(BaseModel):
    """One attempt; all null: it is under way, or its process died and the outcome is unknown."""

    number: int
    started_at: datetime
    status: int | None = Field(description="of the answer; null without one")
    failure: str | None = Field(description="why there is no answer; a stable code")
    latency_ms: int | None
    answer: str | None = Field(description="how the answer begins")


class WebhookDeliveryDetail(WebhookDeliveryRead):
    payload: dict[str, Any]
    attempt_log: list[WebhookAttemptRead]


class ReplayWanted(BaseModel):
    """Which dead deliveries go again: those of events since a time."""

    model_config = ConfigDict(extra="forbid")

    since: AwareDatetime = Field(description="when the event was recorded, inclusive")


class Replayed(BaseModel):
    replayed: int = Field(description="deliveries that are due now")
