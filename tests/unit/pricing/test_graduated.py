"""Graduated charges."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.charges.graduated import Graduated
from shared.money import exact
from tests.support.pricing_values import MILLION, TOKENS, sentences, tier

TABLE = Graduated(
    (tier("1000", "0.02", "5"), tier("5000", "0.015"), tier(None, "0.01", "20")),
)
SMOOTH = Graduated(
    (tier("10000000", "4.00"), tier("20000000", "3.50"), tier(None, "3.00")), MILLION
)


def price(graduated: Graduated, quantity: Fraction) -> Fraction:
    return graduated.amount(quantity, TOKENS)


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [
        ("0", "0"),
        ("0.5", "5.01"),
        ("1000", "25"),
        ("1000.5", "25.0075"),
        ("5000", "85"),
        ("5000.5", "105.005"),
        ("8000", "135"),
        ("-1000", "-25"),
    ],
)
def test_the_table_of_boundaries(quantity: str, amount: str) -> None:
    """Upper bounds are inclusive, a flat is due once a tier is entered, nothing at zero."""
    assert exact(amount) == price(TABLE, exact(quantity))


def test_each_tier_is_a_step() -> None:
    """Three tiers entered are three steps in words, which sum to the line."""
    steps = SMOOTH.price(exact("22361870"), TOKENS)

    assert [
        "first 10,000,000 tokens at 4.00 USD per 1,000,000",
        "next 10,000,000 tokens at 3.50 USD per 1,000,000",
        "above: 2,361,870 tokens at 3.00 USD per 1,000,000",
    ] == sentences(steps)


@given(st.fractions(min_value=0, max_value=40_000_000))
def test_without_flats_there_is_no_jump_at_a_border(quantity: Fraction) -> None:
    """Between any quantity and the next border the price lies between two tier prices."""
    for border in (Fraction(10_000_000), Fraction(20_000_000)):
        step = abs(price(SMOOTH, border) - price(SMOOTH, quantity))

        assert 3 * abs(border - quantity) <= step * MILLION <= 4 * abs(border - quantity)


@given(
    st.fractions(min_value=0, max_value=40_000_000), st.fractions(min_value=0, max_value=40_000_000)
)
def test_more_never_costs_less(one: Fraction, other: Fraction) -> None:
    """Graduated prices rise with the quantity (volume prices need not)."""
    lower, upper = sorted((one, other))

    assert price(TABLE, lower) <= price(TABLE, upper)


def test_exclusive_bounds_would_be_caught() -> None:
    """A reading in which a bound belongs to the next tier gives another amount at 1000."""

    def exclusive(quantity: Fraction) -> Fraction:
        return price(TABLE, quantity) + (quantity == 5000) * 20

    assert exclusive(Fraction(5000)) != price(TABLE, Fraction(5000))
