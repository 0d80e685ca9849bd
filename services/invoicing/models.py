"""Invoicing's own values, as handlers and the repository exchange them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from services.invoicing.domain.carrying import CarryState, Settlement
from services.invoicing.domain.line_taxes import LineTax
from services.invoicing.domain.states import State
from services.invoicing.domain.taxing import OWN, Treatment
from shared.accounts.repository import Account
from shared.events.message import Mode


@dataclass(frozen=True)
class Invoice:
    """An invoice. `period_end` is exclusive; amounts in ISO 4217 minor units, before tax.

    `tax_minor` is tax of our own, worked out with the draft; None where Stripe works it out.
    `tax_text` stands on the invoice (why it is exempt, for one).
    """

    invoice_id: str
    invoice_key: str
    vendor_id: str
    mode: Mode
    tenant_id: str
    subscription_id: str
    statement_id: str
    revision: int
    period_start: date
    period_end: date
    currency: str
    total_exact: str
    total_minor: int
    lines_sha256: str
    state: State
    reason: str | None
    number: str | None
    attempt: int
    stripe_invoice_id: str | None
    stripe_status: str | None
    stripe_total_minor: int | None
    stripe_tax_minor: int | None
    failures: int
    created_at: datetime
    tax_treatment: Treatment = "none"
    tax_minor: int | None = 0
    tax_text: str | None = None

    @property
    def account(self) -> Account:
        return Account(self.vendor_id, self.mode)

    @property
    def has_own_tax(self) -> bool:
        """Tell whether the tax is ours: Stripe's must be the same."""
        return self.tax_treatment in OWN

    @property
    def told_tax_minor(self) -> int | None:
        """The tax as far as it is known: ours, else what Stripe told last."""
        if self.has_own_tax or self.stripe_tax_minor is None:
            return self.tax_minor
        return self.stripe_tax_minor

    @property
    def gross_minor(self) -> int | None:
        """What the tenant owes; None while Stripe has not told the tax."""
        tax = self.told_tax_minor
        return None if tax is None else self.total_minor + tax


@dataclass(frozen=True)
class LineStep:
    """One step of how a line's amount came about, in words and as an exact amount."""

    step: str
    description: str
    amount_exact: str


@dataclass(frozen=True)
class InvoiceLine:
    """A line as it is sent: `stripe_amount` is `amount_minor` in Stripe's integers.

    A fee in advance is for days of its own, `[period_start, period_end)`; None: the invoice's.
    `steps` are read for documents only: `read_lines` leaves them out. `sent_key` is the key of the
    line that stands for this one and others at Stripe, `stripe_amount` then its share of that;
    None: the line is sent itself. `taxes` are those that are sent with it.
    """

    position: int
    line_key: str
    charge: str
    description: str
    quantity: str
    unit: str
    amount_exact: str
    amount_minor: int
    stripe_amount: int
    period_start: date | None = None
    period_end: date | None = None
    steps: tuple[LineStep, ...] = ()
    sent_key: str | None = None
    taxes: tuple[LineTax, ...] = ()

    def at(self, position: int) -> "InvoiceLine":
        """Return the line at another position."""
        return replace(self, position=position)


def stored_line(values: Mapping[str, Any]) -> InvoiceLine:
    """Return a line as its row has it, where taxes are plain objects."""
    taxes = tuple(LineTax(**tax) for tax in values["taxes"])
    return InvoiceLine(**(dict(values) | {"taxes": taxes}))


@dataclass(frozen=True)
class InvoiceLineDetail:
    """The part of a line that one agent on one model caused on one day, by kind."""

    line_position: int
    position: int
    agent: str
    model: str
    kind: str
    usage_day: date
    quantity: str
    amount_exact: str
    amount_minor: int


@dataclass(frozen=True)
class StoredCoupon:
    """A coupon of a tenant: `percent` or `amount` (exact, in major units of `currency`).

    It is for invoices whose periods begin in `[first_period, last_period]`, until it stands on
    `invoices_max` that are not void; `invoices` are those so far.
    """

    coupon_id: str
    tenant_id: str
    name: str
    percent: str | None
    amount: str | None
    currency: str | None
    applies_to: list[str] | None
    first_period: date
    last_period: date | None
    invoices_max: int | None
    created_by: str
    created_at: datetime
    ended_by: str | None
    ended_at: datetime | None
    invoices: int = 0

    def is_for(self, period_start: date, currency: str) -> bool:
        """Tell whether an invoice of a period, in a currency, that is drafted now has it."""
        begun = self.first_period <= period_start
        over = self.last_period is not None and period_start > self.last_period
        used_up = self.invoices_max is not None and self.invoices >= self.invoices_max
        matches = self.currency in (None, currency)
        return self.ended_at is None and begun and matches and not over and not used_up


@dataclass(frozen=True)
class CarryOver:
    """What the invoice `carry_over_id` left to the next one; below zero it is owed to the tenant.

    `subscription_id` and the period are that invoice's. `into_invoice_id` None and `settled_as`
    None: it waits.
    """

    carry_over_id: str
    tenant_id: str
    subscription_id: str
    period_start: date
    period_end: date
    currency: str
    amount_exact: str
    amount_minor: int
    created_at: datetime
    into_invoice_id: str | None
    settled_as: Settlement | None
    settled_reason: str | None
    settled_by: str | None
    settled_at: datetime | None
    taxable_exact: str | None = None

    @property
    def state(self) -> CarryState:
        if self.settled_as is not None:
            return self.settled_as
        return "invoiced" if self.into_invoice_id is not None else "open"


@dataclass(frozen=True)
class StripeJob:
    """A call to Stripe: written before it, completed after it. `params` are the exact bytes."""

    vendor_id: str
    mode: Mode
    tenant_id: str
    material: str
    step: str
    target: str
    params: str
    idempotency_key: str
    state: str
    attempts: int
    first_attempted_at: datetime
    response_id: str | None


@dataclass(frozen=True)
class StoredEvent:
    """A verified Stripe event that waits to be processed."""

    vendor_id: str
    mode: Mode
    event_id: str
    type: str
    stripe_invoice_id: str | None
    failures: int


@dataclass(frozen=True)
class TaxId:
    """A tax id of a tenant, such as a VAT number; `type` in Stripe's words (`eu_vat`)."""

    type: str
    value: str


@dataclass(frozen=True)
class TenantTax:
    """A tenant's tax ids, what Stripe has of them (tax id -> id there).

    `not_located` is the address that Stripe knew no place for.
    """

    tax_ids: tuple[TaxId, ...] = ()
    at_stripe: Mapping[TaxId, str] = field(default_factory=dict)
    not_located: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Tenant:
    """What an invoice needs to know of its tenant."""

    name: str
    billing_email: str | None
    address: dict[str, str]
    purchase_order: str | None
    billing: str
    tax: TenantTax = field(default_factory=TenantTax)
    locale: str | None = None
    """The language tag that its invoices are written in; None: English, and Stripe's own choice."""
