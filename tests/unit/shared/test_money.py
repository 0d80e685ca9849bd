"""Exact money: reading, writing, the one rounding, allocation."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from shared.money import (
    CURRENCIES,
    allocate_minor_units,
    exact,
    format_decimal,
    format_exact,
    format_ratios,
    format_shown,
    nearest_decimal,
    parse_decimal,
    parse_exact,
    round_to_minor_units,
    sum_exact,
)

fractions = st.fractions(min_value=-(10**15), max_value=10**15, max_denominator=10**6)


@given(fractions)
def test_writing_an_amount_loses_nothing(amount: Fraction) -> None:
    """What is written in full reads back as the same rational."""
    assert amount == parse_exact(format_exact(amount))


@given(fractions, st.integers(1, 10**6), st.sampled_from([1, 2, 7, 10]))
def test_a_ratio_is_written_as_its_amount(amount: Fraction, part: int, times: int) -> None:
    """Whatever the terms of a ratio, what is written is the amount in its one spelling."""
    numerator, denominator = amount.numerator * times * part, amount.denominator * times * part

    written = format_ratios([numerator, -numerator], denominator)

    assert [format_exact(amount), format_exact(-amount)] == written


@given(st.lists(fractions, max_size=9))
def test_a_sum_is_exact(amounts: list[Fraction]) -> None:
    """Adding by denominators gives what adding one by one gives."""
    assert sum(amounts, Fraction(0)) == sum_exact(amounts)


@pytest.mark.parametrize(
    ("expected", "amount"),
    [
        ("0.0000001", Fraction(1, 10**7)),
        ("1000000", Fraction(1_000_000)),
        ("-0.5", Fraction(-1, 2)),
        ("1/3", Fraction(1, 3)),
        ("-20/3", Fraction(-20, 3)),
    ],
)
def test_amounts_are_written_without_exponent(expected: str, amount: Fraction) -> None:
    """A finite decimal stands in full without trailing zeros, an endless one as a ratio."""
    assert expected == format_exact(amount)


@given(st.decimals(allow_nan=False, allow_infinity=False))
def test_a_decimal_is_written_as_its_amount(value: Decimal) -> None:
    """No exponent, no trailing zeros, no minus before zero."""
    assert format_exact(Fraction(value)) == format_decimal(value)


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity", "-Infinity"])
def test_what_is_no_number_is_not_written(value: str) -> None:
    """It would come out as a text that nobody can read back."""
    with pytest.raises(ValueError, match="is no amount"):
        format_decimal(Decimal(value))


@given(st.decimals(-(10**39), 10**39, places=9))
def test_a_quantity_that_ends_is_its_nearest_decimal(value: Decimal) -> None:
    """Whole or not, nothing is lost on the way."""
    assert value == nearest_decimal(Fraction(value))


def test_a_quantity_without_end_is_shown_to_20_places() -> None:
    """What is nearest of what can be read back."""
    assert parse_decimal("0.66666666666666666667") == nearest_decimal(Fraction(2, 3))
    assert parse_decimal("-0.33333333333333333333") == nearest_decimal(Fraction(-1, 3))


def test_an_endless_amount_is_shown_with_34_digits() -> None:
    """For people a third is 34 significant digits."""
    assert f"0.{'3' * 34}" == format_shown(Fraction(1, 3))


@pytest.mark.parametrize(
    "text",
    [*("1e3", "NaN", "Infinity", " 1", "1 ", "1\n", "", "--1", "1_000"), "\uff11\uff12", "\u0663"],
)
def test_anything_but_a_plain_decimal_is_refused(text: str) -> None:
    """Exponents, spaces, line ends, NaN and the digits of other scripts are no amounts."""
    with pytest.raises(ValueError, match="plain decimal"):
        exact(text)
    with pytest.raises(ValueError, match="exact amount"):
        parse_exact(text)


def test_a_float_is_refused() -> None:
    """A float has lost the amount before it arrives."""
    with pytest.raises(TypeError):
        exact(0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expected", "amount", "currency"),
    [
        (3, "2.5", "JPY"),
        (-3, "-2.5", "JPY"),
        (1, "0.005", "USD"),
        (0, "0.00499999999999999999", "USD"),
        (5124, "5.1235", "KWD"),
        (0, "-0.001", "USD"),
    ],
)
def test_rounding_is_half_away_from_zero(expected: int, amount: str, currency: str) -> None:
    """The one rounding goes to the ISO exponent, halves away from zero."""
    assert expected == round_to_minor_units(exact(amount), CURRENCIES[currency])


def _bankers_rounding(amount: Fraction, exponent: int) -> int:
    return int(Decimal(str(float(amount))).quantize(Decimal(1).scaleb(-exponent)).scaleb(exponent))


def test_rounding_half_to_even_would_be_noticed() -> None:
    """The default rounding of Decimal gives another answer for the same half."""
    assert round_to_minor_units(exact("0.125"), CURRENCIES["USD"]) != _bankers_rounding(
        exact("0.125"), 2
    )


@given(st.lists(fractions, min_size=1, max_size=30))
def test_allocated_parts_sum_to_the_rounded_total(parts: list[Fraction]) -> None:
    """Whatever the parts, their minor units add up to the total, each within one unit."""
    total = round_to_minor_units(sum(parts, Fraction()), CURRENCIES["JPY"])

    units = allocate_minor_units(total, parts)

    assert total == sum(units)
    assert all(abs(unit - part) < 1 for unit, part in zip(units, parts, strict=True))


@given(st.lists(fractions, min_size=1, max_size=30))
def test_a_reversal_mirrors_its_original(parts: list[Fraction]) -> None:
    """The negated parts get exactly the negated units; a total of 0 has no sign to mirror."""
    total = round_to_minor_units(sum(parts, Fraction()), CURRENCIES["JPY"])
    assume(total)

    mirrored = allocate_minor_units(-total, [-part for part in parts])

    assert [-unit for unit in allocate_minor_units(total, parts)] == mirrored


def test_ties_go_to_the_earlier_line() -> None:
    """Eight lines of 1.4 cents make 11 cents, the first three get the extra ones."""
    assert [2, 2, 2, 1, 1, 1, 1, 1] == allocate_minor_units(11, [Fraction("1.4")] * 8)


def test_a_total_that_is_no_rounding_is_refused() -> None:
    """Allocation never hides a difference of more than the rounding."""
    with pytest.raises(ValueError, match="no rounding"):
        allocate_minor_units(20, [Fraction("1.4")] * 8)


@pytest.mark.parametrize(
    ("value", "nearest"),
    [
        (Fraction(5, 4), "1.25"),
        (Fraction(940, 31), "30.32258064516129032258"),
        (Fraction(-2, 3), "-0.66666666666666666667"),
        (Fraction(1, 2**30), "0.00000000093132257462"),
        (Fraction(1, 2**70), "0.00000000000000000000"),
    ],
)
def test_the_nearest_decimal_can_be_read(value: Fraction, nearest: str) -> None:
    """A quantity is shown with as many places as a number that is read may have."""
    shown = format(nearest_decimal(value), "f")

    assert nearest == shown
    assert Decimal(nearest) == parse_decimal(shown)
