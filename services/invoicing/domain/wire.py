"""How amounts look on Stripe's wire: integers in Stripe's exponent of the currency."""

import hashlib
import json
from collections.abc import Sequence
from fractions import Fraction

from shared.money import Currency, allocate_minor_units


def to_wire(minor: int, currency: Currency) -> int:
    """Return ISO minor units as Stripe counts them; raises ValueError when that is no integer."""
    amount = Fraction(minor) * Fraction(10) ** (currency.stripe_exponent - currency.exponent)
    if amount.denominator != 1:
        raise ValueError(f"{minor} of {currency.code} cannot be written on the wire")
    return amount.numerator


def from_wire(amount: int, currency: Currency) -> int:
    """Return Stripe's integer in ISO minor units; raises ValueError when that is no integer."""
    minor = Fraction(amount) * Fraction(10) ** (currency.exponent - currency.stripe_exponent)
    if minor.denominator != 1:
        raise ValueError(f"{amount} of {currency.code} is no number of minor units")
    return minor.numerator


def lines_to_wire(amounts_minor: Sequence[int], currency: Currency) -> list[int]:
    """Return the lines' integers for the wire; their sum is the payable total's.

    Where Stripe's unit is coarser than ours (MGA), the total's units are allocated to the lines.
    """
    return shares_to_wire(to_wire(sum(amounts_minor), currency), amounts_minor, currency)


def shares_to_wire(total: int, amounts_minor: Sequence[int], currency: Currency) -> list[int]:
    """Return the shares of ISO minor units in an integer for the wire, by largest remainder."""
    shift = Fraction(10) ** (currency.stripe_exponent - currency.exponent)
    return allocate_minor_units(total, [minor * shift for minor in amounts_minor])


def lines_sha256(currency: str, lines: Sequence[tuple[str, int]]) -> str:
    """Return the hash of what is sent: currency, then key and wire amount of each line in order."""
    document = json.dumps([currency, [list(line) for line in lines]], separators=(",", ":"))
    return hashlib.sha256(document.encode()).hexdigest()
