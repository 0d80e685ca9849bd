"""Tax in the parameters of calls to Stripe, as functions of what we store."""

from typing import Any

from services.invoicing.domain.line_taxes import LineTax
from services.invoicing.models import Invoice, InvoiceLine
from shared.accounts.repository import Account

LOCATE = {"validate_location": "immediately"}
"""An address that tells no place for tax is refused at once, not when an invoice is finalized."""


def invoice_fields(invoice: Invoice) -> dict[str, Any]:
    """Return what a draft says of tax; nothing where there is nothing to say."""
    fields: dict[str, Any] = {}
    if invoice.tax_treatment == "automatic":
        fields["automatic_tax"] = {"enabled": True}
    if invoice.tax_text:
        fields["footer"] = invoice.tax_text
    return fields


def line_money(invoice: Invoice, line: InvoiceLine) -> dict[str, Any]:
    """Return what a line comes to: an amount with our taxes, or a price that Stripe taxes."""
    if invoice.tax_treatment == "automatic":
        price = {
            "currency": invoice.currency.lower(),
            "product": product_id(invoice.account),
            "tax_behavior": "exclusive",
            "unit_amount": line.stripe_amount,
        }
        return {"price_data": price, "quantity": 1}
    money: dict[str, Any] = {"amount": line.stripe_amount}
    if line.taxes:
        money["tax_amounts"] = [_tax_amount(tax) for tax in line.taxes]
    return money


def _tax_amount(tax: LineTax) -> dict[str, Any]:
    """Return one of a line's taxes; equal rate data makes one tax rate at Stripe."""
    rate: dict[str, Any] = {
        "display_name": tax.label,
        "inclusive": False,
        "percentage": tax.percent,
    }
    if tax.jurisdiction:
        rate["jurisdiction"] = tax.jurisdiction
    if tax.country:
        rate["country"] = tax.country
    return {
        "amount": tax.amount,
        "taxable_amount": tax.taxable,
        "tax_rate_data": rate,
        "taxability_reason": tax.reason,
    }


def product_id(account: Account) -> str:
    """Return the id of a vendor's product at Stripe: ours, so that there is one, ever."""
    return f"tallyroll-{account.mode}-{account.vendor_id}"
