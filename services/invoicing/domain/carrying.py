"""What an invoice leaves to the next one instead of being sent, and the smallest amount to send."""

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import Literal

from shared.money import Currency

Settlement = Literal["paid_out", "written_off"]
"""How it ends without an invoice: what we owe is paid out, what is owed to us is written off."""

CarryState = Literal["open", "invoiced", "paid_out", "written_off"]

MINIMUM_CHARGES: dict[str, int] = {
    "AED": 200, "AUD": 50, "BGN": 100, "BRL": 50, "CAD": 50, "CHF": 50, "CZK": 1500, "DKK": 250,
    "EUR": 50, "GBP": 30, "HKD": 400, "HUF": 17500, "INR": 50, "JPY": 50, "MXN": 1000, "MYR": 200,
    "NOK": 300, "NZD": 50, "PLN": 200, "RON": 200, "SEK": 300, "SGD": 50, "THB": 1000, "USD": 50,
}  # fmt: skip
"""The smallest charge in ISO minor units.

Source: https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts. No other currency has
a published one.
"""


@dataclass(frozen=True)
class CarriedIn:
    """What an earlier invoice left: an exact amount in major units, below zero where we owe it.

    `carry_over_id` is the id of that invoice; `[period_start, period_end)` is its period.
    `taxable` is what of it is not taxed yet: more than the amount where prepaid credit that was
    bought with tax had paid some of it. None: the amount.
    """

    carry_over_id: str
    amount: Fraction
    subscription_id: str
    period_start: date
    period_end: date
    taxable: Fraction | None = None


@dataclass(frozen=True)
class CarriedOut:
    """What an invoice leaves: an exact net amount, and what of it is not taxed yet."""

    amount: Fraction
    taxable: Fraction


def is_carried(total_minor: int, currency: Currency, tax_minor: int = 0) -> bool:
    """Tell whether an invoice is left to the next one: below zero, or below the minimum charge.

    Below zero is told by the total before tax, the minimum charge by what would be charged. Zero
    is neither: nothing is left of it.
    """
    charged = total_minor + tax_minor
    return total_minor < 0 or 0 < charged < MINIMUM_CHARGES.get(currency.code, 0)


def settlement_of(amount_minor: int) -> Settlement:
    """Return the one way in which an amount can end without an invoice."""
    return "paid_out" if amount_minor < 0 else "written_off"
