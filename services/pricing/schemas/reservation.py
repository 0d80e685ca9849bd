"""HTTP models of reservations: asked before work begins, settled after it."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.pricing.schemas.envelope import ScopeWrite
from services.pricing.schemas.fields import Amount
from shared.ids import Slug

TTL_SECONDS_DEFAULT = 600
TTL_SECONDS_MAX = 86_400

Seconds = Annotated[int, Field(strict=True, ge=1, le=TTL_SECONDS_MAX)]


class Work(ScopeWrite):
    """What is known of the work that asks: the more is named, the more envelopes are asked."""


class ReservationWrite(BaseModel):
    """Work that asks for money before it begins, or for more while it goes on.

    The same again, under the same id, is the same reservation. A larger estimate extends it.
    """

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "work": {"tenant": "acme", "team": "platform", "agent": "coder", "run": "r-1"},
                    "estimate": "0.80",
                }
            ]
        },
    )

    work: Work
    purpose: Literal["production", "explore", "eval"] = "production"
    estimate: Amount = Field(description="US dollars, of all of it")
    ttl_seconds: Seconds = TTL_SECONDS_DEFAULT
    background: Annotated[bool, Field(strict=True, description="it can wait")] = False
    model: str = Field(default="", max_length=128, description="for a suggestion in its place")


class CommitWrite(BaseModel):
    """What the work used. Its events, with the `reservation_id`, take its place once counted."""

    model_config = ConfigDict(extra="forbid")

    amount: Amount


Code = Literal["budget_exceeded", "approval_required", "background_waits", "loop_stopped"]


class ReservationRead(BaseModel):
    """What became of a reservation. Not granted is an answer, no error: `code` says why."""

    reservation_id: Slug | str
    granted: bool
    state: Literal["open", "committed", "released", "expired", "metered", "refused"]
    code: Code | None = None
    step: str = Field(description="what the envelopes ask of a client: open … block")
    reason: str
    envelope: str | None = Field(description="whose ledger decided")
    suggested_model: str | None = None
    estimate: str
    expires_at: datetime | None
    as_of: datetime | None = Field(description="up to when usage is counted in this answer")
    stale: bool = Field(description="older than 60 seconds: granted inside the overdraft")


class ReservationState(BaseModel):
    """A reservation as it stands: `metered` once usage up to its commit is counted."""

    reservation_id: str
    state: Literal["open", "committed", "released", "expired", "metered"]
    ledger: Literal["run", "explore"]
    estimate: str
    committed: str | None
    expires_at: datetime
    committed_at: datetime | None
