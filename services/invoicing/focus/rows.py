"""An invoice as FOCUS rows: one per detail (day, agent, model, token type), one per other line.

`BilledCost` sums to the invoice with its tax, to the minor unit. What the columns mean:
https://focus.finops.org/focus-specification/v1-2/
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from services.invoicing.documents.statement import DocumentLine, TaxLine, UsageStatement
from services.invoicing.domain.invoice_key import kind_of
from services.invoicing.domain.line_kinds import LineKind
from services.invoicing.models import InvoiceLineDetail
from services.invoicing.sheets import Row
from shared.currencies import Currency
from shared.money import exact, format_exact, nearest_decimal, parse_exact

CATEGORIES: dict[LineKind, str] = {
    "usage": "Usage",
    "fee": "Purchase",
    "adjustment": "Purchase",
    "progressive": "Adjustment",
    "credit": "Credit",
    "coupon": "Credit",
    "carried": "Adjustment",
    "rounding": "Adjustment",
}
"""Of lines without details. An adjustment is a correction of what it adjusts: usage or a fee."""

ON_ACCOUNT = "Adjustment"
"""Of every line of a progressive invoice: its period's own invoice tells of the usage, once."""

CORRECTION = "Correction"
TOKEN_PREFIXES = ("input_", "output_")
"""Token types begin so; whatever else is counted is a unit of its own (requests, seconds)."""


def focus_rows(statement: UsageStatement) -> Iterator[Row]:
    """Return the rows of an invoice in the order of its lines, tax at the end."""
    common = _of_invoice(statement)
    on_account = kind_of(statement.invoice.invoice_key) == "progressive"
    for line in statement.lines:
        if on_account:
            yield common | _of_line(statement, line, ON_ACCOUNT)
        elif line.details:
            for detail in line.details:
                yield common | _of_usage(statement, line, detail)
        else:
            yield common | _of_line(statement, line, CATEGORIES[line.kind])
    for tax in statement.tax_lines:
        if tax.amount_minor:
            yield common | _of_tax(statement, tax)


def _of_invoice(statement: UsageStatement) -> Row:
    invoice, vendor = statement.invoice, statement.vendor.name
    subscription_id = None if statement.one_off else invoice.subscription_id
    return {
        "BillingAccountId": invoice.tenant_id,
        "BillingAccountName": statement.tenant.name,
        "BillingAccountType": "Tenant",
        "BillingCurrency": invoice.currency,
        "BillingPeriodStart": _midnight(invoice.period_start),
        "BillingPeriodEnd": _midnight(invoice.period_end),
        "InvoiceId": statement.name,
        "InvoiceIssuerName": vendor,
        "ProviderName": vendor,
        "PublisherName": vendor,
        "PricingCurrency": invoice.currency,
        "ServiceCategory": "AI and Machine Learning",
        "ServiceSubcategory": "Generative AI",
        "SubAccountId": subscription_id,
        "SubAccountName": subscription_id,
        "SubAccountType": None if statement.one_off else "Subscription",
        "x_StripeInvoiceId": invoice.stripe_invoice_id,
    }


def _of_usage(statement: UsageStatement, line: DocumentLine, detail: InvoiceLineDetail) -> Row:
    unit = "Tokens" if detail.kind.startswith(TOKEN_PREFIXES) else detail.kind
    quantity = Decimal(detail.quantity)
    return {
        "ChargeCategory": "Usage",
        "ChargeClass": CORRECTION if line.kind == "adjustment" else None,
        "ChargeDescription": line.title,
        "ChargeFrequency": "Usage-Based",
        "ChargePeriodStart": _midnight(detail.usage_day),
        "ChargePeriodEnd": _midnight(detail.usage_day + timedelta(days=1)),
        "ConsumedQuantity": quantity,
        "ConsumedUnit": unit,
        "ResourceId": detail.agent or None,
        "ResourceName": detail.agent or None,
        "ResourceType": "AI Agent" if detail.agent else None,
        "ServiceName": detail.model or line.line.charge,
        "x_Model": detail.model or None,
        "x_TokenType": detail.kind,
        **_sku(line, detail.kind),
        **_costs(statement.currency, detail.amount_minor, detail.amount_exact),
        **_priced(quantity, unit, detail.amount_exact),
    }


def _of_line(statement: UsageStatement, line: DocumentLine, category: str) -> Row:
    own = line.line
    first, end = _charge_period(statement, line)
    if statement.one_off and own.amount_minor < 0 and category == "Purchase":
        category = "Credit"  # an item below zero is a discount that somebody wrote
    recurs = line.kind in ("fee", "adjustment") and not statement.one_off
    row: Row = {
        "ChargeCategory": category,
        "ChargeClass": CORRECTION if line.kind == "adjustment" else None,
        "ChargeDescription": line.title,
        "ChargeFrequency": "Recurring" if recurs else "One-Time",
        "ChargePeriodStart": _midnight(first),
        "ChargePeriodEnd": _midnight(end),
        "ServiceName": own.charge,
        "x_LineKey": own.line_key,
        **_costs(statement.currency, own.amount_minor, own.amount_exact),
    }
    if category != "Purchase":
        return row
    return row | _sku(line, None) | _priced(Decimal(own.quantity), own.unit, own.amount_exact)


def _charge_period(statement: UsageStatement, line: DocumentLine) -> tuple[date, date]:
    """Return the days that a line is for.

    An adjustment without details: from the adjusted period's first day to the invoice's period.
    """
    invoice, own = statement.invoice, line.line
    if own.period_start is not None and own.period_end is not None:
        return own.period_start, own.period_end
    if line.adjusted_from is not None and line.adjusted_from < invoice.period_start:
        return line.adjusted_from, invoice.period_start
    return invoice.period_start, invoice.period_end


def _of_tax(statement: UsageStatement, tax: TaxLine) -> Row:
    invoice, currency = statement.invoice, statement.currency
    return {
        "ChargeCategory": "Tax",
        "ChargeDescription": tax.title,
        "ChargeFrequency": "One-Time",
        "ChargePeriodStart": _midnight(invoice.period_start),
        "ChargePeriodEnd": _midnight(invoice.period_end),
        "ServiceName": "Tax",
        **_costs(currency, tax.amount_minor, format_exact(tax.exact)),
    }


def _sku(line: DocumentLine, meter: str | None) -> Row:
    return {
        "SkuId": line.line.charge,
        "SkuMeter": meter,
        "SkuPriceId": line.line.line_key,
        "x_LineKey": line.line.line_key,
    }


def _costs(currency: Currency, amount_minor: int, amount_exact: str) -> dict[str, Any]:
    """Return what was billed, in whole minor units, and what it came to exactly, before rounding.

    An invoice knows no list price: list and contracted cost are the same.
    """
    billed = Decimal(amount_minor).scaleb(-currency.exponent)
    unrounded = nearest_decimal(parse_exact(amount_exact))
    return {
        "BilledCost": billed,
        "EffectiveCost": billed,
        "ContractedCost": unrounded,
        "ListCost": unrounded,
    }


def _priced(quantity: Decimal, unit: str, amount_exact: str) -> Row:
    """Return quantity and unit price; the price is the row's own average: tiers are within it."""
    row: Row = {
        "PricingCategory": "Standard",
        "PricingQuantity": quantity,
        "PricingUnit": unit,
    }
    if quantity:
        price = nearest_decimal(parse_exact(amount_exact) / exact(quantity))
        row |= {"ContractedUnitPrice": price, "ListUnitPrice": price}
    return row


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)
