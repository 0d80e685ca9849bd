"""HTTP models of what invoices leave to the next ones."""

from datetime import date, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.invoicing.domain.carrying import CarryState, Settlement

Reason = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00]+$"),
]


class SettlementWrite(BaseModel):
    """How it ends without an invoice."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [{"settled_as": "paid_out", "reason": "SEPA transfer of 3 December"}]
        },
    )

    settled_as: Settlement = Field(
        description="paid_out: of what is below zero; written_off: of what is above"
    )
    reason: Reason


class CarryOverRead(BaseModel):
    """What an invoice below zero, or below the minimum charge, left to the tenant's next one."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "carry_over_id": "0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11",
                    "tenant_id": "acme",
                    "subscription_id": "sub-1",
                    "period_start": "2023-11-01",
                    "period_end": "2023-12-01",
                    "currency": "USD",
                    "amount_exact": "-3.004",
                    "amount_minor": -300,
                    "state": "open",
                    "created_at": "2023-12-01T06:00:00Z",
                    "into_invoice_id": None,
                    "settled_reason": None,
                    "settled_by": None,
                    "settled_at": None,
                }
            ]
        }
    )

    carry_over_id: str = Field(description="the invoice that left it")
    tenant_id: str
    subscription_id: str
    period_start: date = Field(description="of that invoice, inclusive")
    period_end: date = Field(description="exclusive")
    currency: str
    amount_exact: str = Field(description="plain decimal, or numerator/denominator")
    amount_minor: int = Field(description="rounded; below zero it is owed to the tenant")
    state: CarryState = Field(description="open: it waits for the tenant's next invoice")
    created_at: datetime
    into_invoice_id: str | None = Field(description="the invoice that took it over")
    settled_reason: str | None
    settled_by: str | None = Field(description="id of the API key")
    settled_at: datetime | None


class CarryOverPage(BaseModel):
    """Newest first; `next` is the `before` of the next page, null at the end."""

    carry_overs: list[CarryOverRead]
    next: str | None
