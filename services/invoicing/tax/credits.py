"""Taxes of credited lines: our own rates on the credited net, named to Stripe line by line."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from typing import Any

from services.invoicing.domain.line_taxes import line_taxes
from services.invoicing.domain.taxing import Rate, Tax, TaxPlan, taxes_on
from services.invoicing.domain.wire import to_wire
from services.invoicing.models import Invoice
from services.invoicing.stripe_sync.tax_params import tax_amount
from services.invoicing.tax.drafts import REASONS
from shared.money import CURRENCIES


def credited_taxes(
    invoice: Invoice, taxes: Sequence[Tax], amounts_minor: Sequence[int]
) -> list[dict[str, Any]]:
    """Return what each credited line (net, in minor units) says of tax; nothing if it is Stripe's.

    The same arithmetic as the invoice's: on the exact sum, rounded once, spread over the lines.
    """
    if not invoice.has_own_tax:
        return [{} for _ in amounts_minor]
    currency = CURRENCIES[invoice.currency]
    net = Fraction(sum(amounts_minor), 10**currency.exponent)
    plan = TaxPlan(invoice.tax_treatment, tuple(map(_rate, taxes)))
    of_net = taxes_on(plan, net, currency)
    wire = [to_wire(minor, currency) for minor in amounts_minor]
    parts = line_taxes(of_net, REASONS[invoice.tax_treatment], wire, currency)
    return [{"tax_amounts": [tax_amount(tax) for tax in part]} if part else {} for part in parts]


def _rate(tax: Tax) -> Rate:
    return Rate(
        rate_id=tax.rate_id or "",
        label=tax.label,
        jurisdiction=tax.jurisdiction,
        country=tax.country,
        percent=tax.percent,
        valid_from=tax.valid_from or date.min,
    )
