"""Amounts that the producer states."""

from fractions import Fraction

from services.pricing.domain.charges.dynamic import Dynamic
from services.pricing.domain.rating import rate_period
from shared.money import exact
from tests.support.pricing_values import TOKENS, amounts, charged, sentences, terms, usage

KIND = "meter:stated-amounts@1"


def test_the_quantity_is_the_amount() -> None:
    """A stated amount is taken over without rounding."""
    steps = Dynamic().price(exact("9.1201"), TOKENS)

    assert [exact("9.1201")] == amounts(steps)
    assert ["9.1201 USD as stated with the usage"] == sentences(steps)


def test_a_reversal_takes_its_amount_back() -> None:
    """Corrections are amounts below zero."""
    rated = rate_period(
        terms(charged(Dynamic(), KIND)), [usage(KIND, "9.12"), usage(KIND, "-9.02", agent="b")]
    )

    assert exact("0.1") == rated.total


def test_rounding_each_amount_would_be_caught() -> None:
    """Three thirds of a cent are a cent, not nothing."""
    third = Fraction(1, 300)

    assert 3 * Fraction(round(third * 100), 100) != Dynamic().amount(3 * third, TOKENS)
