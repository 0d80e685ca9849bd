"""HTTP models of one-off invoices, and of what drafts wait for."""

from datetime import date, datetime, timedelta
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from shared.ids import Slug

LINES_MAX = 249
"""Stripe takes 250; one is kept for rounding."""

GRACE_SECONDS_MAX = int(timedelta(days=90).total_seconds())

_DECIMAL = r"[0-9]{1,15}(\.[0-9]{1,20})?$"
Text = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,500}$")]
Unit = Annotated[str, StringConstraints(pattern=r"^[^\x00-\x1f\x7f]{1,40}$")]


class ManualLineWrite(BaseModel):
    model_config = ConfigDict(extra="forbid")

    description: Text
    quantity: Annotated[str, StringConstraints(pattern=f"^{_DECIMAL}")] = "1"
    unit: Unit = "units"
    amount: Annotated[str, StringConstraints(pattern=f"^-?{_DECIMAL}")] = Field(
        description="of the whole line, exact; rounded once with the total"
    )


class ManualInvoiceWrite(BaseModel):
    """A one-off invoice; it goes the same way as those of statements."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "tenant_id": "acme",
                    "currency": "USD",
                    "lines": [
                        {"description": "Onboarding workshop", "quantity": "2", "amount": "1800"}
                    ],
                }
            ]
        },
    )

    tenant_id: Slug
    currency: Annotated[str, StringConstraints(pattern=r"^[A-Z]{3}$")]
    lines: list[ManualLineWrite] = Field(min_length=1, max_length=LINES_MAX)
    period_start: date | None = Field(default=None, description="inclusive; null: today in UTC")
    period_end: date | None = Field(default=None, description="exclusive; null: a day later")

    @model_validator(mode="after")
    def _period(self) -> Self:
        if (self.period_start is None) != (self.period_end is None):
            raise ValueError("give both days of the period, or none")
        if self.period_start and self.period_end and self.period_end <= self.period_start:
            raise ValueError("the period ends after it starts")
        return self


class BillingSettings(BaseModel):
    """What new drafts of the vendor wait for, in the mode of the caller's key."""

    model_config = ConfigDict(extra="forbid")

    grace_seconds: int = Field(
        default=0,
        strict=True,
        ge=0,
        le=GRACE_SECONDS_MAX,
        description="how long a draft waits by itself; an approval ends it",
    )
    approval: bool = Field(
        default=False, strict=True, description="whether a person has to approve each draft"
    )


class ApprovalRead(BaseModel):
    invoice_id: str
    approved_at: datetime
