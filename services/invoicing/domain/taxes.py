"""Tax of our own, for invoices that leave it to nobody else.

A tax is on the exact amount that is left after coupons, never on one that was rounded before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from shared.money import Currency, allocate_minor_units, round_to_minor_units

TaxRounding = Literal["invoice", "rate"]
"""invoice: all taxes are added, and rounded once; rate: each is rounded, then they are added."""

HUNDRED = 100


@dataclass(frozen=True)
class Taxable:
    """An exact net amount in major units, and the rate on it in percent (>= 0)."""

    net: Fraction
    percent: Fraction

    @property
    def tax(self) -> Fraction:
        """The exact tax."""
        return self.net * self.percent / HUNDRED


def taxes_of(parts: Sequence[Taxable], currency: Currency, rounding: TaxRounding) -> list[int]:
    """Return the tax of each part in minor units; what they sum to is the invoice's tax.

    Where all taxes are rounded once, the parts share the result by largest remainder: a part may
    differ by one minor unit from its own tax rounded alone.
    """
    if rounding == "rate":
        return [round_to_minor_units(part.tax, currency) for part in parts]
    exact = [part.tax for part in parts]
    total = round_to_minor_units(sum(exact, Fraction(0)), currency)
    return allocate_minor_units(total, [tax * 10**currency.exponent for tax in exact])
