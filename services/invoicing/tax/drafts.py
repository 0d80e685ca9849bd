"""What tax makes of a draft: its columns, and the lines as Stripe gets them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from services.invoicing.domain.carrying import CarriedIn, CarriedOut
from services.invoicing.domain.line_taxes import NETTED_KEY, line_taxes, spread
from services.invoicing.domain.taxing import NO_TAX, Tax, TaxPlan, Treatment, taxes_on
from services.invoicing.domain.wire import lines_to_wire
from services.invoicing.models import InvoiceLine
from services.invoicing.own_lines import CREDIT_LINE_KEYS
from shared.money import Currency, format_exact

REASONS: dict[Treatment, str] = {
    "rates": "standard_rated",
    "exempt": "customer_exempt",
    "reverse_charge": "reverse_charge",
}
"""Stripe's words for why a tax is as it is."""

NETTED = "after credits, coupons and corrections"


@dataclass(frozen=True)
class DraftTax:
    """The taxes of a draft; for automatic tax there are none, Stripe works them out."""

    plan: TaxPlan = NO_TAX
    taxes: tuple[Tax, ...] = ()

    @property
    def minor(self) -> int:
        """Our own tax, in minor units."""
        return sum(tax.tax_minor for tax in self.taxes)

    def columns(self) -> dict[str, Any]:
        """Return the invoice's columns."""
        automatic = self.plan.treatment == "automatic"
        return {
            "tax_treatment": self.plan.treatment,
            "tax_minor": None if automatic else self.minor,
            "tax_text": self.plan.text,
        }


UNTAXED = DraftTax()


def draft_tax(plan: TaxPlan, taxable: Fraction, currency: Currency) -> DraftTax:
    """Return what a plan makes of an exact taxable net amount in major units."""
    return DraftTax(plan, taxes_on(plan, taxable, currency))


def taxable_of(
    amounts: Sequence[tuple[str, Fraction]], taken: Sequence[CarriedIn], out: CarriedOut | None
) -> Fraction:
    """Return what of an invoice is taxed, from its (line key, exact amount) pairs.

    Credit that was taxed when it was bought is a payment (rule 7.3). What was carried over brings
    its own taxable amount with it, and what is carried out takes it along.
    """
    if out is not None:
        return Fraction(0)
    paid = CREDIT_LINE_KEYS["at_purchase"]
    net = sum((amount for key, amount in amounts if key != paid), Fraction(0))
    return net + sum(
        (one.taxable - one.amount for one in taken if one.taxable is not None), Fraction(0)
    )


Sent = tuple[tuple[InvoiceLine, ...], tuple[InvoiceLine, ...]]
"""An invoice's lines, and those that are sent instead, where they differ (else none)."""


def with_tax(
    lines: tuple[InvoiceLine, ...], sent: tuple[InvoiceLine, ...], tax: DraftTax, currency: Currency
) -> Sent:
    """Return the lines of an invoice and those to send, as their tax wants them."""
    if tax.plan.treatment == "automatic":
        return _netted(lines, sent, currency)
    if not tax.taxes:
        return lines, sent
    wire = sent or lines
    parts = line_taxes(
        tax.taxes, REASONS[tax.plan.treatment], [line.stripe_amount for line in wire], currency
    )
    taxed = tuple(replace(line, taxes=part) for line, part in zip(wire, parts, strict=True))
    return (lines, taxed) if sent else (taxed, ())


def _netted(
    lines: tuple[InvoiceLine, ...], sent: tuple[InvoiceLine, ...], currency: Currency
) -> Sent:
    """Leave out what is below zero: it lowers all other lines, in proportion to them."""
    wire = sent or lines
    total = sum(line.amount_minor for line in wire)
    if total <= 0 or all(line.amount_minor >= 0 for line in wire):
        return lines, sent
    kept = [line for line in wire if line.amount_minor > 0]
    amounts = spread(total, [line.amount_minor for line in kept])
    scale = 10**currency.exponent
    netted = tuple(
        replace(
            line.at(position),
            description=f"{line.description} ({NETTED})",
            amount_exact=format_exact(Fraction(amount, scale)),
            amount_minor=amount,
            stripe_amount=at_stripe,
        )
        for position, (line, amount, at_stripe) in enumerate(
            zip(kept, amounts, lines_to_wire(amounts, currency), strict=True), start=1
        )
    )
    gone = {line.line_key for line in wire if line.amount_minor <= 0}
    return tuple(_marked(line, gone) for line in lines), netted


def _marked(line: InvoiceLine, gone: set[str]) -> InvoiceLine:
    key = line.sent_key or line.line_key
    return replace(line, sent_key=NETTED_KEY) if key in gone else line
