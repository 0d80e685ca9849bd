"""Taxes of credited lines: our own rates on the credited net, named to Stripe line by line."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from services.invoicing.domain.line_taxes import LineTax, line_taxes
from services.invoicing.domain.taxing import Rate, Tax, TaxPlan, taxes_on
from services.invoicing.domain.wire import to_wire
from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.stripe_types import StripeLine
from services.invoicing.tax.drafts import REASONS
from shared.money import CURRENCIES

RateIds = Mapping[tuple[str, ...], str]
"""What a rate is called on the invoice, to the id that Stripe made for it."""


def rate_ids_of(sent: Iterable[InvoiceLine], held: Mapping[str, StripeLine]) -> RateIds:
    """Return the ids at Stripe of the rates on an invoice's lines.

    Stripe shows no more of a line's tax than its rate and amounts: these tell which one it is.
    """
    found: dict[tuple[str, ...], str] = {}
    for line in sent:
        left = list(held[line.line_key].taxes) if line.line_key in held else []
        for tax in line.taxes:
            same = [one for one in left if (one.taxable, one.amount) == (tax.taxable, tax.amount)]
            if same:
                left.remove(same[0])
                found.setdefault(_name(tax), same[0].tax_rate)
    return found


def credited_taxes(
    invoice: Invoice, taxes: Sequence[Tax], amounts_minor: Sequence[int], rate_ids: RateIds
) -> list[dict[str, Any]] | None:
    """Return what each credited line (net, in minor units) says of tax; nothing if it is Stripe's.

    The same arithmetic as the invoice's: on the exact sum, rounded once, spread over the lines.
    None: a rate of the invoice is not at Stripe.
    """
    if not invoice.has_own_tax:
        return [{} for _ in amounts_minor]
    currency = CURRENCIES[invoice.currency]
    net = Fraction(sum(amounts_minor), 10**currency.exponent)
    plan = TaxPlan(invoice.tax_treatment, tuple(map(_rate, taxes)))
    wire = [to_wire(minor, currency) for minor in amounts_minor]
    reason = REASONS[invoice.tax_treatment]
    parts = line_taxes(taxes_on(plan, net, currency), reason, wire, currency)
    if any(_name(tax) not in rate_ids for part in parts for tax in part):
        return None
    return [_amounts(part, rate_ids) for part in parts]


def _amounts(part: Sequence[LineTax], rate_ids: RateIds) -> dict[str, Any]:
    if not part:
        return {}
    amounts = [
        {"amount": tax.amount, "taxable_amount": tax.taxable, "tax_rate": rate_ids[_name(tax)]}
        for tax in part
    ]
    return {"tax_amounts": amounts}


def _name(tax: LineTax) -> tuple[str, ...]:
    return (tax.label, tax.jurisdiction, tax.country, tax.percent)


def _rate(tax: Tax) -> Rate:
    return Rate(
        rate_id=tax.rate_id or "",
        label=tax.label,
        jurisdiction=tax.jurisdiction,
        country=tax.country,
        percent=tax.percent,
        valid_from=tax.valid_from or date.min,
    )
