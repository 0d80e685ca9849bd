"""Taxes and deductions on the lines that are sent: only lines above zero carry any.

What is below zero (coupons, credits, corrections) lowers what the others are taxed on, in
proportion to their amounts, as a coupon does. So no line below zero has a tax, which Stripe says
nothing about, and beside automatic tax, where Stripe takes none, they need not be sent at all.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from services.invoicing.domain.taxing import Tax
from services.invoicing.domain.wire import to_wire
from shared.money import Currency, allocate_minor_units, format_exact

NETTED_KEY = "~netted"
"""In place of a sent line's key: the line is below zero, and lowers all lines that are sent."""


@dataclass(frozen=True)
class LineTax:
    """What of a tax falls on a sent line; `taxable` and `amount` in Stripe's integers (>= 0).

    `reason` is Stripe's word for why it is so (`taxability_reason`).
    """

    label: str
    jurisdiction: str
    country: str
    percent: str
    reason: str
    taxable: int
    amount: int


def spread(total: int, weights: Sequence[int]) -> list[int]:
    """Share a total (>= 0) over the weights above zero, by largest remainder.

    Where none is above zero, the first takes it all.
    """
    above = [max(weight, 0) for weight in weights]
    whole = sum(above)
    if not whole:
        return [total if at == 0 else 0 for at in range(len(weights))]
    return allocate_minor_units(total, [Fraction(total * weight, whole) for weight in above])


def line_taxes(
    taxes: Sequence[Tax], reason: str, amounts: Sequence[int], currency: Currency
) -> list[tuple[LineTax, ...]]:
    """Return the taxes of each sent line (`amounts` in Stripe's integers); they sum to `taxes`."""
    lines: list[list[LineTax]] = [[] for _ in amounts]
    for tax in taxes:
        shares = zip(
            lines,
            _on_wire(tax.taxable_minor, amounts, currency),
            _on_wire(tax.tax_minor, amounts, currency),
            strict=True,
        )
        for line, taxable, amount in shares:
            if taxable or amount:
                percent = format_exact(tax.percent)
                line.append(
                    LineTax(
                        tax.label,
                        tax.jurisdiction,
                        tax.country,
                        percent,
                        reason,
                        taxable,
                        amount,
                    )
                )
    return [tuple(line) for line in lines]


def _on_wire(minor: int, amounts: Sequence[int], currency: Currency) -> list[int]:
    """Spread minor units in the coarser of our unit and Stripe's, and write the parts as Stripe."""
    scale = 10 ** max(currency.exponent - currency.stripe_exponent, 0)
    return [to_wire(part * scale, currency) for part in spread(minor // scale, amounts)]
