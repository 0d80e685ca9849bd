"""HTTP models of invoicing."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from services.invoicing.domain.states import State
from services.invoicing.domain.taxing import Treatment
from services.invoicing.tax.schemas import InvoiceTaxRead
from shared.events.message import Mode

ApiKey = Annotated[str, StringConstraints(pattern=r"^(sk|rk)_(test|live)_[A-Za-z0-9_-]{1,240}$")]
WebhookSecret = Annotated[str, StringConstraints(pattern=r"^whsec_[A-Za-z0-9_+/=-]{8,240}$")]


class StripeAccountWrite(BaseModel):
    """A vendor's Stripe account for the mode of the caller's key."""

    model_config = ConfigDict(
        extra="forbid",
        hide_input_in_errors=True,
        json_schema_extra={
            "examples": [{"api_key": "sk_test_…", "webhook_secret": "whsec_…"}],
        },
    )

    api_key: ApiKey = Field(description="secret or restricted key of the same mode")
    webhook_secret: WebhookSecret | None = Field(
        default=None, description="signing secret of the webhook endpoint"
    )
    previous_webhook_secret: WebhookSecret | None = Field(
        default=None, description="the secret before a rotation, accepted beside the new one"
    )


class StripeAccountRead(BaseModel):
    """A Stripe account as it may be shown: the last four characters of each secret."""

    mode: Mode
    source: Literal["own", "deployment"] = Field(
        description="the vendor's own account, or the deployment's (test mode only)"
    )
    api_key_last4: str
    webhook_secrets_last4: list[str]
    webhook_path: str = Field(description="where Stripe's webhook endpoint must point to")
    updated_at: datetime | None


class InvoiceLineRead(BaseModel):
    """A line. Lines' `amount_minor` sum to the invoice's `total_minor`."""

    line_key: str
    charge: str
    description: str
    quantity: str = Field(description="exact decimal")
    unit: str
    amount_exact: str = Field(description="plain decimal, or numerator/denominator")
    amount_minor: int = Field(description="ISO 4217 minor units, allocated by largest remainder")
    period_start: date | None = Field(
        default=None, description="of a fee in advance: the first day that it is for, else null"
    )
    period_end: date | None = Field(default=None, description="exclusive")
    sent_key: str | None = Field(
        default=None,
        description="at Stripe a line of this key stands for it and others; null: it is sent",
    )


class InvoiceRead(BaseModel):
    """An invoice. Amounts are in ISO 4217 minor units, before tax unless they say otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "invoice_id": "0199d3c0-8f1e-7c3a-9f1d-2b1f5f0c7a11",
                    "invoice_key": "demo/test/acme/sub-1/period/1/2023-11-01/1",
                    "tenant_id": "acme",
                    "subscription_id": "sub-1",
                    "statement_id": "st-1",
                    "number": "DEMO-000001",
                    "state": "sent",
                    "reason": None,
                    "currency": "USD",
                    "total_minor": 15003,
                    "total_exact": "150.0312",
                    "tax_treatment": "rates",
                    "tax_minor": 2851,
                    "gross_minor": 17854,
                    "tax_text": None,
                    "taxes": [
                        {
                            "rate_id": "de-vat",
                            "label": "VAT",
                            "jurisdiction": "Germany",
                            "country": "DE",
                            "percent": "19",
                            "taxable_exact": "150.0312",
                            "taxable_minor": 15003,
                            "tax_exact": "28.505928",
                            "tax_minor": 2851,
                        }
                    ],
                    "period_start": "2023-11-01",
                    "period_end": "2023-12-01",
                    "lines": [
                        {
                            "line_key": "output",
                            "charge": "output",
                            "description": "Output tokens",
                            "quantity": "12502600",
                            "unit": "tokens",
                            "amount_exact": "150.0312",
                            "amount_minor": 15003,
                        }
                    ],
                    "stripe_invoice_id": "in_1",
                    "stripe_status": "open",
                    "stripe_total_minor": 15003,
                    "hosted_invoice_url": None,
                    "created_at": "2023-12-01T06:00:00Z",
                }
            ]
        }
    )

    invoice_id: str
    invoice_key: str
    tenant_id: str
    subscription_id: str
    statement_id: str
    revision: int = Field(default=1, description="higher ones replace an issued invoice")
    revises: str | None = Field(default=None, description="the invoice that it replaces")
    revised_by: str | None = Field(default=None, description="the invoice that replaces it")
    number: str | None = Field(description="null until the invoice passed the gate")
    state: State
    reason: str | None = Field(description="why it is parked or waits; a stable code")
    currency: str
    total_minor: int = Field(description="before tax")
    total_exact: str
    tax_treatment: Treatment = Field(description="none, or whose tax it is; set with the draft")
    tax_minor: int | None = Field(description="null while Stripe has not told it")
    gross_minor: int | None = Field(description="what the tenant owes; null as the tax")
    tax_text: str | None = Field(description="stands on the invoice")
    taxes: list[InvoiceTaxRead] = Field(description="our own; empty where Stripe works them out")
    period_start: date = Field(description="inclusive")
    period_end: date = Field(description="exclusive")
    lines: list[InvoiceLineRead]
    stripe_invoice_id: str | None
    stripe_status: str | None
    stripe_total_minor: int | None = Field(description="Stripe's total before tax, as last fetched")
    hosted_invoice_url: str | None = Field(
        description="a bearer link, fetched from Stripe for a single invoice; null in lists"
    )
    created_at: datetime


class InvoicePage(BaseModel):
    """Invoices, newest first; `next` is the `before` of the next page, null at the end."""

    invoices: list[InvoiceRead]
    next: str | None


class InvoiceDetailRead(BaseModel):
    """The part of a line that one agent on one model caused on one day, by kind."""

    line_key: str
    charge: str
    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: str
    amount_exact: str
    amount_minor: int = Field(description="details of a line sum to the line's")


class InvoiceDetails(BaseModel):
    invoice_id: str
    currency: str
    details: list[InvoiceDetailRead]


class EventReceived(BaseModel):
    received: bool = True
