"""Orders about issued invoices, as rows: written before Stripe is asked, completed after."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from services.invoicing.domain.credit_notes import Settlement
from services.invoicing.domain.crediting import Scope
from shared.accounts.repository import Account
from shared.events.message import Mode

Action = Literal["void", "mark_uncollectible", "revise"]
STATUSES: dict[Action, str] = {
    "void": "void",
    "mark_uncollectible": "uncollectible",
    "revise": "void",
}
"""What Stripe calls the invoice afterwards."""

ActionState = Literal["pending", "done", "refused"]
NoteState = Literal["pending", "approved", "issued", "parked", "cancelled"]
OPEN_NOTE_STATES: tuple[NoteState, ...] = ("pending", "approved")


@dataclass(frozen=True)
class ActionOrder:
    """That an issued invoice is to be voided, given up or replaced; one row for each of these."""

    vendor_id: str
    mode: Mode
    tenant_id: str
    invoice_id: str
    action: Action
    state: ActionState
    reason: str | None
    failures: int
    created_at: datetime

    @property
    def account(self) -> Account:
        return Account(self.vendor_id, self.mode)


@dataclass(frozen=True)
class CreditNote:
    """A credit note; amounts in ISO 4217 minor units: expected ones until it is issued."""

    vendor_id: str
    mode: Mode
    tenant_id: str
    credit_note_id: str
    invoice_id: str
    number: str | None
    state: NoteState
    reason: str | None
    scope: Scope
    settlement: Settlement
    stripe_reason: str | None
    memo: str
    currency: str
    net_minor: int
    tax_minor: int
    pre_payment_minor: int | None
    post_payment_minor: int | None
    stripe_credit_note_id: str | None
    failures: int
    created_at: datetime

    @property
    def account(self) -> Account:
        return Account(self.vendor_id, self.mode)

    @property
    def total_minor(self) -> int:
        """What the tenant owes less, tax included."""
        return self.net_minor + self.tax_minor


@dataclass(frozen=True)
class CreditNoteLine:
    """What is credited of one line of the invoice, before tax."""

    position: int
    line_key: str
    amount_minor: int
