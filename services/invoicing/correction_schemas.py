"""HTTP models of what becomes of an issued invoice."""

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class HistoryEntry(BaseModel):
    """A state that the invoice reached, or a fact that became known beside it."""

    state: str
    reason: str | None
    changed_at: datetime


class StandingRead(BaseModel):
    """How an invoice stands. Amounts in ISO 4217 minor units, tax included, as Stripe said last.

    They are null until Stripe was asked the first time.
    """

    invoice_id: str
    currency: str
    facts: dict[str, str | None] = Field(
        description="partly_paid, overdue, payment_failed, finalization_failed, disputed, "
        "refunded, refund_failed; each with its reason or null",
        examples=[{"overdue": None, "disputed": "needs_response"}],
    )
    paid_minor: int | None
    remaining_minor: int | None
    refunded_minor: int | None
    due_at: datetime | None
    observed_at: datetime | None
    history: list[HistoryEntry] = Field(description="oldest first")


class ActionRead(BaseModel):
    """An order about an issued invoice: it is carried out at Stripe within seconds."""

    invoice_id: str
    action: Literal["void", "mark_uncollectible", "revise"]
    state: Literal["pending", "done", "refused"]
    reason: str | None = Field(description="why it was refused; a stable code")
    created_at: datetime
