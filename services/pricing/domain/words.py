"""Numbers in words, for the people who check a statement. Words decide nothing."""

from dataclasses import dataclass
from fractions import Fraction

from shared.money import Currency, format_shown


@dataclass(frozen=True)
class Words:
    """How a line speaks of its amounts and of what it counts ("tokens", "seats")."""

    currency: Currency
    unit: str

    def money(self, amount: Fraction) -> str:
        """Return "1.50 USD": at least the currency's decimals, more where the amount has them."""
        text = format_shown(amount)
        whole, _, part = text.partition(".")
        part = part.ljust(self.currency.exponent, "0")
        return f"{whole}.{part} {self.currency.code}" if part else f"{whole} {self.currency.code}"

    def count(self, quantity: Fraction, unit: str | None = None) -> str:
        """Return "18,059,974 tokens"."""
        return f"{grouped(quantity)} {unit or self.unit}"

    def price(self, unit_amount: Fraction, per: Fraction) -> str:
        """Return "1.50 USD per 1,000,000", or "20.00 USD each"."""
        money = self.money(unit_amount)
        return f"{money} each" if per == 1 else f"{money} per {grouped(per)}"


def grouped(quantity: Fraction) -> str:
    """Return a quantity with thousands set apart by commas."""
    whole, _, part = format_shown(quantity).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    text = f"{sign}{int(digits):,}"
    return f"{text}.{part}" if part else text


def unit_of(kinds: frozenset[str]) -> str:
    """Return what usage of these kinds counts: tokens, the one unit's name, or units."""
    if all(kind.startswith(("input_", "output_")) for kind in kinds):
        return "tokens"
    return next(iter(kinds)) if len(kinds) == 1 else "units"
