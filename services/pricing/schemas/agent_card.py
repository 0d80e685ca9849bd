"""HTTP models of agents' cards: who owns an agent, what it is for, whether it is in use."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.pricing.schemas.fields import Name
from shared.ids import Slug

Status = Literal["active", "paused", "retired"]
Purpose = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]{1,2000}$")]
"""Text for people, with line breaks."""


class AgentCardWrite(BaseModel):
    """What is known of an agent beside its usage; what is left out is nobody, or nothing."""

    model_config = ConfigDict(extra="forbid")

    tenant: Slug | None = Field(
        default=None, description="whose agent; null: every tenant's that has no card of its own"
    )
    owner: Name | None = Field(default=None, description="who answers for it")
    team: Name | None = None
    status: Status = "active"
    purpose: Purpose | None = Field(default=None, description="what it is for")


class AgentCardRead(AgentCardWrite):
    """A card as it was written; it stands until another one is."""

    model_config = ConfigDict(extra="ignore")

    agent: str
    position: int
    written_by: str = Field(description="id of the API key")
    created_at: datetime


class AgentCards(BaseModel):
    """The card that stands, and those before it, the newest first.

    A tenant's own card goes before that of every tenant.
    """

    card: AgentCardRead
    history: list[AgentCardRead] = Field(description="with the one that stands")


def card_read(row: Mapping[Any, Any]) -> AgentCardRead:
    """Return a stored card as it is shown."""
    return AgentCardRead.model_validate({**row, "tenant": row["tenant_id"] or None})


def cards_read(rows: Sequence[Mapping[Any, Any]]) -> AgentCards:
    """Return cards, at least one, as they are shown; they come newest first."""
    history = [card_read(row) for row in rows]
    own = (one for one in history if one.tenant is not None)
    return AgentCards(card=next(own, history[0]), history=history)
