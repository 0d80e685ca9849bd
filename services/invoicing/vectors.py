"""Golden vectors of what invoicing decides, through the functions that make invoices."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from services.invoicing.domain.allocation import ExactLine, allocate
from services.invoicing.domain.coupons import Coupon, discounts
from services.invoicing.domain.credit_notes import credit_of
from services.invoicing.domain.taxes import Taxable, TaxRounding, taxes_of
from services.invoicing.domain.taxing import Rate, TaxPlan, taxes_on
from shared.currencies import CURRENCIES, Currency
from shared.money import parse_exact, round_to_minor_units
from shared.vectors import Case, Results, Runner, Vector, major

ZERO = Fraction(0)


def round_value(vector: Vector, case: Case) -> Results:
    """Round one value."""
    currency = CURRENCIES[vector["currency"]]
    return {"rounded": major(round_to_minor_units(parse_exact(case["value"]), currency), currency)}


def allocated(vector: Vector, case: Case) -> Results:
    """Add exact lines, round the total once, give its minor units to the lines."""
    currency = CURRENCIES[vector["currency"]]
    lines = [ExactLine(parse_exact(line)) for line in case["lines"]]
    came = allocate(lines, currency)
    shown = [major(line.amount_minor, currency) for line in came.lines]
    return {"total": major(came.total_minor, currency), "lines": shown}


def tax(vector: Vector, case: Case) -> Results:
    """Taxes of several rates on one net amount."""
    currency, price = CURRENCIES[vector["currency"]], vector["price"]
    net = parse_exact(case["taxable"])
    percents = [parse_exact(rate) for rate in price["rates_percent"]]
    if price["tax_rounding"] == TAX_ROUNDING:
        taxes = _taxes(net, percents, currency)
    else:
        parts = [Taxable(net, percent) for percent in percents]
        taxes = taxes_of(parts, currency, price["tax_rounding"])
    return {"taxes": [major(one, currency) for one in taxes], **_taxed(net, sum(taxes), currency)}


def discount(vector: Vector, case: Case) -> Results:
    """Coupons in their order, then tax on what is left of each line."""
    currency = CURRENCIES[vector["currency"]]
    lines = [(line["id"], parse_exact(line["amount"])) for line in case["lines"]]
    taken = discounts(lines, [_coupon(content) for content in vector["price"]["coupons"]])
    nets = [amount - sum(parts, ZERO) for (_, amount), *parts in zip(lines, *taken, strict=True)]
    parts = [
        Taxable(net, parse_exact(line["tax_percent"]))
        for net, line in zip(nets, case["lines"], strict=True)
    ]
    off = sum((sum(one, ZERO) for one in taken), ZERO)
    alone = [round_to_minor_units(part.tax, currency) for part in parts]
    return {
        "discount": major(round_to_minor_units(off, currency), currency),
        "line_tax": [major(one, currency) for one in alone],
        **_taxed(sum(nets, ZERO), sum(taxes_of(parts, currency, "invoice")), currency),
    }


def credit_note(vector: Vector, case: Case) -> Results:
    """A part of an amount by days, or all of it."""
    currency, price = CURRENCIES[vector["currency"]], vector["price"]
    share = Fraction(int(case["days"]), int(case["period_days"]))
    part = Taxable(parse_exact(price["amount"]) * share, parse_exact(price["tax_percent"]))
    credit = credit_of([part], currency)
    return {
        "net": major(credit.net_minor, currency),
        "tax": major(credit.tax_minor, currency),
        "total": major(credit.total_minor, currency),
    }


def with_tax(runner: Runner, exact: str, total: str) -> Runner:
    """Add the tax on what another service rated: the exact net in its result of this name."""

    def taxed(vector: Vector, case: Case) -> Results:
        results = runner(vector, case)
        percent = vector["price"].get("tax_percent")
        if percent is None:
            return results
        currency = CURRENCIES[vector["currency"]]
        taxes = _taxes(results[exact], [parse_exact(percent)], currency)
        came = _taxed(results[exact], sum(taxes), currency)
        return {**results, "tax": came["tax"], total: came["total"]}

    return taxed


TAX_ROUNDING: TaxRounding = "invoice"
"""How invoices are taxed."""


def _taxes(net: Fraction, percents: Sequence[Fraction], currency: Currency) -> list[int]:
    """Return the taxes of an invoice on a net amount, as its draft has them."""
    rates = [Rate(str(at), "tax", "", "", percent, date.min) for at, percent in enumerate(percents)]
    taxes = taxes_on(TaxPlan("rates", tuple(rates)), net, currency)
    return [tax.tax_minor for tax in taxes] or [0 for _ in percents]


def _coupon(content: Mapping[str, Any]) -> Coupon:
    value = parse_exact(content["value"])
    lines = content.get("applies_to")
    return Coupon(
        key=content["type"],
        percent=value if content["type"] == "percent" else None,
        amount=value if content["type"] == "fixed" else None,
        applies_to=None if lines is None else frozenset(lines),
    )


def _taxed(net: Fraction, tax_minor: int, currency: Currency) -> dict[str, Decimal]:
    total = round_to_minor_units(net, currency) + tax_minor
    return {"tax": major(tax_minor, currency), "total": major(total, currency)}


RUNNERS: dict[str, Runner] = {
    "round": round_value,
    "invoice_rounding": allocated,
    "allocate": allocated,
    "tax": tax,
    "discount": discount,
    "credit_note": credit_note,
}
"""Model → what translates a case into values of the domain."""
