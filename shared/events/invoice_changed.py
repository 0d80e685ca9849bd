"""`invoice.changed`: what became of an invoice, from invoicing to whoever cares.

Guarantees: one message per change of state and per new fact beside it, in the order
of the changes of one tenant.
"""

from datetime import date, datetime
from typing import ClassVar, Literal

from pydantic import Field

from shared.events.message import Message
from shared.topics import INVOICE_CHANGED, Topic

InvoiceState = Literal[
    "draft",
    "issued",
    "sent",
    "paid",
    "uncollectible",
    "void",
    "parked",
    "partly_paid",
    "overdue",
    "payment_failed",
    "finalization_failed",
    "disputed",
    "refunded",
    "refund_failed",
    "credited",
]
"""States, and from `partly_paid` on facts beside the state: several of these may hold at once."""

REVISED = "revised"
"""The reason of a `void` that makes place for a revision of the invoice: its credits stay drawn."""


class InvoiceChanged(Message):
    """An invoice reached a state, or a fact became known.

    Amounts are in ISO 4217 minor units; `total_minor` is before tax.
    """

    topic: ClassVar[Topic] = INVOICE_CHANGED

    tenant_id: str
    invoice_id: str
    statement_id: str | None = Field(
        default=None, description="what it was made of; null in messages of before this field"
    )
    invoice_key: str
    number: str | None
    state: InvoiceState
    reason: str | None
    currency: str
    total_minor: int
    tax_minor: int | None = Field(
        default=None,
        description="null while Stripe has not told it, and in messages of before this field",
    )
    gross_minor: int | None = Field(
        default=None, description="what the tenant owes: `total_minor` and `tax_minor`, or null"
    )
    period_start: date
    period_end: date
    stripe_invoice_id: str | None
    changed_at: datetime

    def key_parts(self) -> tuple[str, ...]:
        return (self.vendor_id, self.tenant_id)
