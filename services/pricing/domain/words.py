"""Numbers in words, for the people who check a statement. Words decide nothing."""

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from shared.money import Currency, format_shown

PRICES_MAX = 10_000
"""Prices whose words are kept: they are the same on every statement."""


@dataclass(frozen=True)
class Words:
    """How a line speaks of its amounts and of what it counts ("tokens", "seats")."""

    currency: Currency
    unit: str

    def money(self, amount: Fraction) -> str:
        """Return "1.50 USD": at least the currency's decimals, more where the amount has them."""
        return _money(amount, self.currency.exponent, self.currency.code)

    def count(self, quantity: Fraction, unit: str | None = None) -> str:
        """Return "18,059,974 tokens"."""
        return f"{grouped(quantity)} {unit or self.unit}"

    def number(self, quantity: Fraction) -> str:
        """Return a bare number: "1,000"."""
        return grouped(quantity)

    def price(self, unit_amount: Fraction, per: Fraction) -> str:
        """Return "1.50 USD per 1,000,000", or "20.00 USD each"."""
        ratios = (*unit_amount.as_integer_ratio(), *per.as_integer_ratio())
        return _price(ratios, self.currency.exponent, self.currency.code)


@dataclass(frozen=True)
class Silent(Words):
    """Says nothing: for ratings of which only the amounts are asked."""

    def money(self, amount: Fraction) -> str:  # noqa: ARG002
        return ""

    def count(self, quantity: Fraction, unit: str | None = None) -> str:  # noqa: ARG002
        return ""

    def number(self, quantity: Fraction) -> str:  # noqa: ARG002
        return ""

    def price(self, unit_amount: Fraction, per: Fraction) -> str:  # noqa: ARG002
        return ""


@lru_cache(maxsize=PRICES_MAX)
def words_of(currency: Currency, unit: str, told: bool) -> Words:
    """Return how a line speaks, if anybody listens."""
    return Words(currency, unit) if told else Silent(currency, unit)


@lru_cache(maxsize=PRICES_MAX)
def _price(ratios: tuple[int, int, int, int], exponent: int, code: str) -> str:
    # By integers: to find a fraction by its hash takes longer than all the rest.
    unit_amount, per = Fraction(*ratios[:2]), Fraction(*ratios[2:])
    money = _money(unit_amount, exponent, code)
    return f"{money} each" if per == 1 else f"{money} per {grouped(per)}"


def _money(amount: Fraction, exponent: int, code: str) -> str:
    whole, _, part = format_shown(amount).partition(".")
    part = part.ljust(exponent, "0")
    return f"{whole}.{part} {code}" if part else f"{whole} {code}"


def grouped(quantity: Fraction) -> str:
    """Return a quantity with thousands set apart by commas."""
    if quantity.denominator == 1:
        return f"{quantity.numerator:,}"
    whole, _, part = format_shown(quantity).partition(".")
    sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
    text = f"{sign}{int(digits):,}"
    return f"{text}.{part}" if part else text


@lru_cache(maxsize=PRICES_MAX)
def unit_of(kinds: frozenset[str]) -> str:
    """Return what usage of these kinds counts: tokens, the one unit's name, or units."""
    if kinds and all(kind.startswith(("input_", "output_")) for kind in kinds):
        return "tokens"
    return next(iter(kinds)) if len(kinds) == 1 and "*" not in next(iter(kinds)) else "units"
