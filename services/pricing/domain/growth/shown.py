"""Exact amounts as short decimals that still add up."""

from collections.abc import Sequence
from fractions import Fraction
from math import floor

from shared.money import allocate_minor_units, format_exact

PLACES = 9
_UNIT = 10**PLACES


def shown(amount: Fraction) -> str:
    """Return an amount with up to 9 decimals: half away from zero."""
    return format_exact(Fraction(_units(amount * _UNIT), _UNIT))


def shown_parts(parts: Sequence[Fraction]) -> list[str]:
    """Return the parts of a sum with up to 9 decimals each, which sum to `shown` of the sum.

    By largest remainder, as the lines of an invoice: each part is off by less than 10^-9.
    """
    scaled = [part * _UNIT for part in parts]
    units = allocate_minor_units(_units(sum(scaled, Fraction(0))), scaled)
    return [format_exact(Fraction(unit, _UNIT)) for unit in units]


def _units(scaled: Fraction) -> int:
    units = floor(abs(scaled) + Fraction(1, 2))
    return -units if scaled < 0 else units
