"""An invoice with everything that its documents tell."""

from dataclasses import dataclass
from datetime import date, datetime
from fractions import Fraction
from functools import cached_property

from services.invoicing.domain.invoice_key import NO_SUBSCRIPTION
from services.invoicing.domain.line_kinds import LineKind, adjusted_from, line_kind
from services.invoicing.domain.taxing import Tax
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail
from shared.money import CURRENCIES, Currency, format_exact


@dataclass(frozen=True)
class Party:
    """Vendor or tenant as the accounts have them.

    `address` is in the order of an envelope, `country` apart: ISO 3166-1 alpha-2.
    """

    party_id: str
    name: str
    address: tuple[str, ...] = ()
    country: str = ""
    billing_email: str | None = None
    purchase_order: str | None = None
    tax_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class DocumentLine:
    """A line with its details, which sum to it, and what kind of line it is."""

    line: InvoiceLine
    details: tuple[InvoiceLineDetail, ...]

    @cached_property
    def kind(self) -> LineKind:
        return line_kind(self.line.line_key, has_details=bool(self.details))

    @property
    def adjusted_from(self) -> date | None:
        return adjusted_from(self.line.line_key)

    @cached_property
    def title(self) -> str:
        """The line in words without the steps, which follow it in its description."""
        steps = "; ".join(step.description for step in self.line.steps)
        return self.line.description.removesuffix(f": {steps}") if steps else self.line.description


@dataclass(frozen=True)
class TaxLine:
    """A tax as documents show it: in minor units, and exactly, before it was rounded."""

    title: str
    amount_minor: int
    exact: Fraction


def _tax_line(tax: Tax) -> TaxLine:
    percent = f"{format_exact(tax.percent)} %" if tax.rate_id else ""
    words = (tax.label, tax.jurisdiction, percent)
    return TaxLine(" ".join(word for word in words if word), tax.tax_minor, tax.exact)


@dataclass(frozen=True)
class UsageStatement:
    """The usage statement of an invoice. Amounts of lines are before tax, in ISO 4217 minor units.

    `issued_at` None: not yet. `taxes` are our own. `revises` is the number of the invoice that
    this one replaces.
    """

    invoice: Invoice
    vendor: Party
    tenant: Party
    lines: tuple[DocumentLine, ...]
    issued_at: datetime | None = None
    taxes: tuple[Tax, ...] = ()
    revises: str | None = None

    @property
    def tax_lines(self) -> list[TaxLine]:
        """The taxes of the invoice, as far as they are known; they sum to `told_tax_minor`."""
        invoice = self.invoice
        if invoice.has_own_tax:
            return [_tax_line(tax) for tax in self.taxes]
        if not invoice.stripe_tax_minor:
            return []
        exact = Fraction(invoice.stripe_tax_minor, 10**self.currency.exponent)
        return [TaxLine("Tax", invoice.stripe_tax_minor, exact)]

    @property
    def one_off(self) -> bool:
        """Whether somebody wrote the invoice: it has no subscription and no rated statement."""
        return self.invoice.subscription_id == NO_SUBSCRIPTION

    @property
    def currency(self) -> Currency:
        return CURRENCIES[self.invoice.currency]

    @property
    def name(self) -> str:
        """What the invoice is called: its number, before it has one its id."""
        return self.invoice.number or self.invoice.invoice_id
