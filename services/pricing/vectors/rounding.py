"""Vectors of the one rounding, and of what it gives to lines, as invoices are rounded."""

from fractions import Fraction

from services.pricing.vectors.case import (
    Case,
    Results,
    Runner,
    Vector,
    currency_of,
    major,
    number,
)
from shared.money import allocate_minor_units, round_to_minor_units


def round_value(vector: Vector, case: Case) -> Results:
    """Round one value."""
    currency = currency_of(vector)
    return {"rounded": major(round_to_minor_units(number(case["value"]), currency), currency)}


def allocate(vector: Vector, case: Case) -> Results:
    """Add exact lines, round the total once, give its minor units to the lines."""
    currency = currency_of(vector)
    lines = [number(line) for line in case["lines"]]
    total = round_to_minor_units(sum(lines, Fraction(0)), currency)
    units = allocate_minor_units(total, [line * 10**currency.exponent for line in lines])
    return {"total": major(total, currency), "lines": [major(unit, currency) for unit in units]}


RUNNERS: dict[str, Runner] = {
    "round": round_value,
    "invoice_rounding": allocate,
    "allocate": allocate,
}
