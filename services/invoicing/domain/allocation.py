"""From exact line amounts to the integers of an invoice.

The order: add the exact lines, round the total once, spread its minor units over the sent lines,
each of these over the lines in it, each line over its details: all adds up, nothing rounds twice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import gcd

from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.rollup import allocate_groups
from shared.money import Currency, allocate_minor_units, round_to_minor_units


@dataclass(frozen=True)
class ExactLine:
    """A line's exact amount and those of its details, which sum to it; no details is allowed."""

    amount: Fraction
    details: tuple[Fraction, ...] = ()


@dataclass(frozen=True)
class AllocatedLine:
    """Minor units of a line; those of its details sum to it."""

    amount_minor: int
    details_minor: tuple[int, ...]


@dataclass(frozen=True)
class Allocation:
    """Minor units of an invoice: `sum(lines) + rounding_minor == total_minor`.

    `rounding_minor` is what the named line `rounding` adds, so that the total can be paid at all
    (a total in KWD ends in 0 at Stripe); 0 for nearly every currency.
    """

    total_exact: Fraction
    total_minor: int
    lines: tuple[AllocatedLine, ...]
    rounding_minor: int


def payable_multiple(currency: Currency) -> int:
    """Return the number of ISO minor units that a payable total is a multiple of, at least 1."""
    shift = currency.stripe_exponent - currency.exponent
    if shift >= 0:
        return currency.stripe_multiple // gcd(currency.stripe_multiple, 10**shift)
    return int(currency.stripe_multiple * 10**-shift)


def allocate(
    lines: Sequence[ExactLine],
    currency: Currency,
    groups: Sequence[Sequence[int]] | None = None,
    *,
    tax_minor: int = 0,
) -> Allocation:
    """Allocate an invoice; the order of `groups`, and in them of `lines`, breaks ties.

    `groups` are positions of lines sent as one, each line in exactly one; None: as they are. With
    `tax_minor` on top it can be paid. `details_do_not_sum`: details sum to another amount.
    """
    for line in lines:
        if line.details and sum(line.details) != line.amount:
            message = "The details of a line do not sum to its amount."
            raise InvalidStatement("details_do_not_sum", message)
    total_exact = sum((line.amount for line in lines), Fraction(0))
    rounded = round_to_minor_units(total_exact, currency)
    scale = 10**currency.exponent
    exact = [line.amount * scale for line in lines]
    amounts = allocate_groups(rounded, exact, groups or [[at] for at in range(len(lines))])
    total = _to_multiple(rounded + tax_minor, payable_multiple(currency)) - tax_minor
    return Allocation(
        total_exact=total_exact,
        total_minor=total,
        lines=tuple(
            _allocate_line(line, amount, scale) for line, amount in zip(lines, amounts, strict=True)
        ),
        rounding_minor=total - rounded,
    )


def _allocate_line(line: ExactLine, amount_minor: int, scale: int) -> AllocatedLine:
    parts = [detail * scale for detail in line.details]
    details = allocate_minor_units(amount_minor, parts) if parts else []
    return AllocatedLine(amount_minor, tuple(details))


def _to_multiple(minor: int, multiple: int) -> int:
    """Round half away from zero to a multiple: 5 of KWD's minor units become 10, -5 become -10."""
    rounded = (2 * abs(minor) + multiple) // (2 * multiple) * multiple
    return -rounded if minor < 0 else rounded
