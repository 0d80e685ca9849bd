"""Charges per unit."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.per_unit import PerUnit
from shared.money import exact
from tests.support.pricing_values import MILLION, TOKENS, amounts, sentences


@pytest.mark.parametrize(
    ("quantity", "unit_amount", "amount"),
    [
        ("0", "1.50", "0"),
        ("1", "0.000000000001", "0.000000000000000001"),
        ("18059974", "1.50", "27.089961"),
        ("0.5", "3", "0.0000015"),
        ("-1000000", "3", "-3"),
    ],
)
def test_it_is_linear(quantity: str, unit_amount: str, amount: str) -> None:
    """The amount is quantity x price / per, exactly, without rounding to whole millions."""
    price = PerUnit(exact(unit_amount), MILLION)

    assert [Fraction(amount)] == amounts(price.price(exact(quantity), TOKENS))


def test_the_step_says_how() -> None:
    """The words hold quantity, price and what it is for."""
    price = PerUnit(exact("1.50"), MILLION)

    steps = price.price(exact("18059974"), TOKENS)

    assert ["18,059,974 tokens at 1.50 USD per 1,000,000"] == sentences(steps)
