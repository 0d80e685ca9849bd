"""Exact money: rational amounts, currencies, the one rounding, allocation by largest remainder.

An amount is a rational number. A third of a month is no decimal, so amounts are `Fraction` from
the first multiplication to the one rounding of an invoice; `Decimal` and strings are for reading
and writing. Nothing here, and nothing that uses it, is a binary float.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from functools import lru_cache
from math import floor, gcd, lcm
from operator import attrgetter

from shared.currencies import CURRENCIES, Currency

__all__ = [
    "CURRENCIES",
    "Currency",
    "allocate_minor_units",
    "allocate_over",
    "exact",
    "format_decimal",
    "format_exact",
    "format_ratios",
    "format_shown",
    "is_whole",
    "nearest_decimal",
    "parse_decimal",
    "parse_exact",
    "ratios_of",
    "round_to_minor_units",
    "sum_exact",
]

SHOWN_DIGITS = 34
"""Significant digits of an endless amount when shown to people (as IEEE 754 decimal128 has)."""

MAXIMUM_DIGITS = 60
"""Digits allowed in a number that is read, so that a hostile exponent cannot fill the memory."""

PLACES_MAX = 20
"""Decimal places of a number that is read."""

_WHOLE_MAX = 10**40
# [0-9], not \d: the digits of other scripts are numbers to Python, and typing errors to us.
_DECIMAL = re.compile(r"-?[0-9]{1,40}(\.[0-9]{1,20})?\Z")
_EXACT = re.compile(r"-?[0-9]{1,400}(?:/[0-9]{1,400}|\.[0-9]{1,400})?\Z")


def parse_decimal(text: str) -> Decimal:
    """Read a plain decimal string: no exponent, no spaces, at most 40 and 20 digits around a point.

    Raises ValueError for anything else, NaN and infinities included.
    """
    if not _DECIMAL.match(text):
        raise ValueError(f"{text[:MAXIMUM_DIGITS]!r} is no plain decimal number")
    return Decimal(text)


def exact(value: Decimal | int | str | Fraction) -> Fraction:
    """Return `value` as an exact rational; floats are a programming error."""
    if isinstance(value, float):
        raise TypeError("an amount is never a float")
    return Fraction(parse_decimal(value)) if isinstance(value, str) else Fraction(value)


def parse_exact(text: str) -> Fraction:
    """Read what `format_exact` writes; raises ValueError for anything else."""
    if not _EXACT.match(text):
        raise ValueError(f"{text[:MAXIMUM_DIGITS]!r} is no exact amount")
    return Fraction(text)


_RATIO: Callable[[Fraction], tuple[int, int]] = attrgetter("_numerator", "_denominator")
"""What `as_integer_ratio` returns, in a third of the time: amounts are many."""


def ratios_of(amounts: Iterable[Fraction]) -> list[tuple[int, int]]:
    """Return numerators and denominators (> 0, in lowest terms), for many in a row."""
    return list(map(_RATIO, amounts))


def sum_exact(amounts: Iterable[Fraction]) -> Fraction:
    """Return the sum of amounts; those of one denominator are added as integers."""
    parts = list(amounts)
    if len(parts) == 1:
        return parts[0]
    sums: dict[int, int] = {}
    for numerator, denominator in ratios_of(parts):
        sums[denominator] = sums.get(denominator, 0) + numerator
    if not sums:
        return Fraction(0)
    first, *others = sums.items()
    total = Fraction(first[1], first[0])
    for denominator, numerator in others:
        total += Fraction(numerator, denominator)
    return total


@lru_cache(maxsize=10_000)
def _decimal_scale(denominator: int) -> tuple[int, int] | None:
    """Return the decimal places that 1/denominator needs, and how many of the last one it is.

    None if it has no end.
    """
    rest = denominator
    twos = fives = 0
    while rest % 2 == 0:
        rest //= 2
        twos += 1
    while rest % 5 == 0:
        rest //= 5
        fives += 1
    places = max(twos, fives)
    return (places, 10**places // denominator) if rest == 1 else None


def format_exact(amount: Fraction) -> str:
    """Write an amount without loss: a finite decimal in full without trailing zeros, else n/d."""
    return _format_reduced(*amount.as_integer_ratio())


def _format_reduced(numerator: int, denominator: int) -> str:
    if denominator == 1:
        return str(numerator)
    scale = _decimal_scale(denominator)
    if scale is None:
        return f"{numerator}/{denominator}"
    return _with_point(numerator, *scale)


def format_ratios(numerators: Iterable[int], denominator: int) -> list[str]:
    """Write numerators over a denominator (> 0) as `format_exact` does, in whatever terms."""
    if denominator == 1:
        return list(map(str, numerators))
    scale = _decimal_scale(denominator)
    if scale is None:
        return [_format_ratio(numerator, denominator) for numerator in numerators]
    places, units = scale
    texts = []
    for numerator in numerators:
        if numerator < 0:
            texts.append(_format_ratio(numerator, denominator))
            continue
        digits = str(numerator * units).zfill(places + 1)
        text = f"{digits[:-places]}.{digits[-places:]}"
        texts.append(text.rstrip("0").rstrip(".") if text[-1] == "0" else text)
    return texts


def _format_ratio(numerator: int, denominator: int) -> str:
    common = gcd(numerator, denominator)
    return _format_reduced(numerator // common, denominator // common)


def _with_point(numerator: int, places: int, units: int) -> str:
    digits = str(abs(numerator) * units).rjust(places + 1, "0")
    sign = "-" if numerator < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}"


def format_shown(amount: Fraction) -> str:
    """Write an amount for people: in full where it ends, else 34 significant digits."""
    if _decimal_scale(amount.denominator) is not None:
        return format_exact(amount)
    context = Context(prec=SHOWN_DIGITS, rounding=ROUND_HALF_EVEN)
    return format(context.divide(Decimal(amount.numerator), Decimal(amount.denominator)), "f")


def is_whole(value: Fraction) -> bool:
    """Tell whether a number has no part behind the point, and few enough digits to be read."""
    numerator, denominator = value.as_integer_ratio()
    return denominator == 1 and -_WHOLE_MAX < numerator < _WHOLE_MAX


def nearest_decimal(value: Fraction) -> Decimal:
    """Return the decimal that `parse_decimal` reads and that is nearest: `value` where it can be.

    It is for quantities that are shown; what is computed from them is computed from the fraction.
    """
    if is_whole(value):
        return Decimal(value.numerator)
    text = format_exact(value)
    if _DECIMAL.match(text):
        return Decimal(text)
    context = Context(prec=2 * MAXIMUM_DIGITS, rounding=ROUND_HALF_EVEN)
    quotient = context.divide(Decimal(value.numerator), Decimal(value.denominator))
    return context.quantize(quotient, Decimal(1).scaleb(-PLACES_MAX))


def format_decimal(value: Decimal) -> str:
    """Write a decimal in full without exponent and trailing zeros; ValueError for NaN, infinity."""
    if not value.is_finite():
        raise ValueError(f"{value} is no amount")
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def round_to_minor_units(amount: Fraction, currency: Currency) -> int:
    """Round an exact amount to integer minor units: half away from zero, ISO 4217 exponent.

    This is the one place where money is rounded.
    """
    scaled = abs(amount) * 10**currency.exponent
    units: int = floor(scaled + Fraction(1, 2))
    return -units if amount < 0 else units


def allocate_minor_units(total: int, parts: Sequence[Fraction]) -> list[int]:
    """Spread `total` minor units over exact `parts` (in minor units) so that they sum to it.

    Largest remainder: floor towards minus infinity, then one unit each to the largest fractions,
    ties to the earlier part. A negative total is negated, allocated and negated back, so that a
    reversal mirrors its original. Raises ValueError when `total` is not within one unit a part of
    the parts' sum: then it is no rounding of them.
    """
    ratios = ratios_of(parts)
    common = lcm(*(denominator for _, denominator in ratios))
    return allocate_over(total, [part * (common // below) for part, below in ratios], common)


def allocate_over(total: int, numerators: Sequence[int], denominator: int) -> list[int]:
    """Return what `allocate_minor_units` does, of parts over one denominator (> 0)."""
    if total < 0:
        mirrored = allocate_over(-total, [-part for part in numerators], denominator)
        return [-unit for unit in mirrored]
    divided = [divmod(part, denominator) for part in numerators]
    units = [whole for whole, _ in divided]
    missing = total - sum(units)
    if not 0 <= missing <= len(units):
        parts = Fraction(sum(numerators), denominator)
        raise ValueError(f"{total} is no rounding of parts that sum to {parts}")
    by_fraction = sorted(range(len(units)), key=lambda place: (-divided[place][1], place))
    for place in by_fraction[:missing]:
        units[place] += 1
    return units
