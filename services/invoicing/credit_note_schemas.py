"""HTTP models of credit notes."""

from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from services.invoicing.domain.credit_notes import Settlement
from services.invoicing.domain.crediting import Scope

LINES_MAX = 250

Amount = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,4})?$"),
    Field(description="a decimal above zero, whole minor units of the currency"),
]
PlainText = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{0,200}$")]
LineKey = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,300}$")]


class CreditNoteLineWrite(BaseModel):
    model_config = ConfigDict(extra="forbid")

    line_key: LineKey = Field(description="of the invoice's line")
    amount: Amount = Field(description="before tax")


class CreditNoteWrite(BaseModel):
    """What is credited: everything left, an amount with its tax, or lines before tax."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {"amount": "25.00", "settlement": "refund", "memo": "Outage of 12 November"}
            ]
        },
    )

    full: bool = Field(default=False, description="all that is not credited yet")
    amount: Amount | None = Field(default=None, description="tax included")
    lines: list[CreditNoteLineWrite] = Field(default=[], max_length=LINES_MAX)
    settlement: Settlement = Field(
        description="where that goes which is paid already: the customer's balance at Stripe, "
        "back on the means of payment, or settled outside of Stripe"
    )
    reason: Literal["duplicate", "fraudulent", "order_change", "product_unsatisfactory"] | None = (
        None
    )
    memo: PlainText = Field(default="", description="what the customer reads on the note")

    @model_validator(mode="after")
    def _one_scope(self) -> Self:
        if [self.full, self.amount is not None, bool(self.lines)].count(True) != 1:
            raise ValueError("give exactly one of full, amount and lines")
        return self


class CreditNoteLineRead(BaseModel):
    line_key: str
    amount_minor: int = Field(description="before tax")


class CreditNoteRead(BaseModel):
    """A credit note; amounts in ISO 4217 minor units, expected ones until it is issued."""

    credit_note_id: str
    invoice_id: str
    tenant_id: str
    number: str | None = Field(description="null until Stripe's preview agreed with ours")
    state: Literal["pending", "approved", "issued", "parked", "cancelled"]
    reason: str | None = Field(description="why it is parked; a stable code")
    scope: Scope
    settlement: Settlement
    memo: str
    currency: str
    net_minor: int
    tax_minor: int
    total_minor: int
    pre_payment_minor: int | None = Field(description="by how much less is to be paid")
    post_payment_minor: int | None = Field(description="what is paid back")
    lines: list[CreditNoteLineRead] = Field(description="empty unless lines were named")
    stripe_credit_note_id: str | None
    created_at: datetime


class CreditNotePage(BaseModel):
    """Notes, newest first; `next` is the `before` of the next page, null at the end."""

    credit_notes: list[CreditNoteRead]
    next: str | None
