"""Flat charges."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.charges import FlatCharge
from services.pricing.domain.flat import price_flat
from services.pricing.domain.periods import Period
from tests.support.pricing_values import NOVEMBER, TOKENS, amounts, sentences

FEE = FlatCharge("fee", "Platform fee", Fraction(500))


def test_a_whole_period_pays_the_fee() -> None:
    """A period of the anchor's length pays the amount itself."""
    steps = price_flat(FEE, NOVEMBER, TOKENS)

    assert ([Fraction(500)], ["500.00 USD for the period"]) == (amounts(steps), sentences(steps))


def test_a_shorter_period_pays_by_exact_days() -> None:
    """Seven of thirty days pay 7/30 of the fee, which is no finite decimal and stays exact."""
    week = Period(date(2023, 11, 24), date(2023, 12, 1), 30)

    steps = price_flat(FEE, week, TOKENS)

    assert [Fraction(500 * 7, 30)] == amounts(steps)
    assert ["500.00 USD for the period, 7 of 30 days"] == sentences(steps)
