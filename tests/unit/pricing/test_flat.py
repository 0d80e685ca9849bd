"""Flat charges."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.price import Situation, Timing
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import rate_period
from services.pricing.domain.statement import FeePeriod
from tests.support.pricing_values import NOVEMBER, TOKENS, amounts, charged, sentences, terms

FEE = Flat(Fraction(500))
TIMINGS: tuple[Timing, Timing] = ("in_advance", "in_arrears")


def test_a_whole_period_pays_the_fee() -> None:
    """A period of the anchor's length pays the amount itself."""
    steps = FEE.price(Situation(NOVEMBER), TOKENS)

    assert ([Fraction(500)], ["500.00 USD for the period"]) == (amounts(steps), sentences(steps))


def test_a_shorter_period_pays_by_exact_days() -> None:
    """Seven of thirty days pay 7/30 of the fee, which is no finite decimal and stays exact."""
    week = Period(date(2023, 11, 24), date(2023, 12, 1), 30)

    steps = FEE.price(Situation(week), TOKENS)

    assert [Fraction(500 * 7, 30)] == amounts(steps)
    assert ["500.00 USD for the period, 7 of 30 days"] == sentences(steps)


def test_a_fee_in_advance_costs_the_same_and_names_its_days() -> None:
    """When it is charged changes no amount; a fee in arrears names no days."""
    days = Period(date(2023, 12, 1), date(2023, 12, 11), 31)
    (ahead,), (behind,) = (
        rate_period(terms(charged(Flat(Fraction(31), timing), key="fee"), period=days), []).lines
        for timing in TIMINGS
    )

    assert (Fraction(10), Fraction(10)) == (ahead.amount, behind.amount)
    assert (FeePeriod(days.start, days.end), None) == (ahead.advance, behind.advance)
