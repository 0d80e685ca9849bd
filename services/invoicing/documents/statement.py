"""An invoice with everything that its documents tell."""

from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property

from services.invoicing.domain.line_kinds import LineKind, adjusted_from, line_kind
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail
from shared.money import CURRENCIES, Currency


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
class UsageStatement:
    """The usage statement of an invoice. Amounts are before tax, in ISO 4217 minor units.

    `issued_at` None: not yet. `revises` is the number of the invoice that this one replaces.
    """

    invoice: Invoice
    vendor: Party
    tenant: Party
    lines: tuple[DocumentLine, ...]
    issued_at: datetime | None = None
    revises: str | None = None

    @property
    def currency(self) -> Currency:
        return CURRENCIES[self.invoice.currency]

    @property
    def name(self) -> str:
        """What the invoice is called: its number, before it has one its id."""
        return self.invoice.number or self.invoice.invoice_id
