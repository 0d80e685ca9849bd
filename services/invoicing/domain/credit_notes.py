"""Credit notes: what is taken back of an issued invoice, and where the money goes.

The invoice itself never changes. Stripe's arithmetic (its credit note object): what is not paid yet
is lowered first, and only what lies beyond that is paid back, in one of three ways.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

from services.invoicing.domain.taxes import Taxable, taxes_of
from shared.money import Currency, round_to_minor_units

Settlement = Literal["balance", "refund", "out_of_band"]
"""To the customer's balance, back on the means of payment, or settled outside of Stripe."""


@dataclass(frozen=True)
class Credited:
    """A credit in minor units: `net_minor + tax_minor == total_minor`."""

    net_minor: int
    tax_minor: int

    @property
    def total_minor(self) -> int:
        """What the tenant owes less, tax included."""
        return self.net_minor + self.tax_minor


def credit_of(parts: Sequence[Taxable], currency: Currency) -> Credited:
    """Return the credit of exact net amounts (>= 0): net rounded once, tax on the exact net."""
    net = sum((part.net for part in parts), Fraction(0))
    return Credited(
        net_minor=round_to_minor_units(net, currency),
        tax_minor=sum(taxes_of(parts, currency, "invoice")),
    )


@dataclass(frozen=True)
class Settled:
    """How a credit note is settled, in minor units: what was still owed, and what is paid back."""

    pre_payment_minor: int
    post_payment_minor: int


def settle(total_minor: int, *, remaining_minor: int) -> Settled:
    """Split a credit note (> 0) by what is left to pay of its invoice (>= 0)."""
    owed = min(total_minor, remaining_minor)
    return Settled(owed, total_minor - owed)
