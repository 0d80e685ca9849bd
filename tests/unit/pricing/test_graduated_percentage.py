"""Graduated percentages."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.graduated_percentage import GraduatedPercentage, RateTier
from shared.money import exact
from tests.support.pricing_values import TOKENS, sentences

TIERS = (
    RateTier(Fraction(1000), exact("2.9"), Fraction(1)),
    RateTier(None, exact("2.5")),
)


@pytest.mark.parametrize(
    ("value", "amount"),
    [("0", "0"), ("500", "15.5"), ("1000", "30"), ("2000", "55"), ("-500", "-15.5")],
)
def test_each_part_has_the_rate_of_its_tier(value: str, amount: str) -> None:
    """Rates apply to the part of the amount in their tier; a flat once it is entered."""
    assert exact(amount) == GraduatedPercentage(TIERS).amount(exact(value), TOKENS)


def test_the_steps_speak_of_money() -> None:
    """The quantity is an amount, and is written as one."""
    assert [
        "first 2.9 % of 1000.00 USD",
        "flat fee of tier 1: 1.00 USD",
        "above: 2.5 % of 1000.00 USD",
    ] == sentences(GraduatedPercentage(TIERS).price(Fraction(2000), TOKENS))


def test_the_reached_rate_for_everything_would_be_caught() -> None:
    """Volume reading of the same table is another amount."""
    assert Fraction(2000) * exact("2.5") / 100 != GraduatedPercentage(TIERS).amount(
        Fraction(2000), TOKENS
    )
