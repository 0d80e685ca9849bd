"""Flat charges."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.price import Situation
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import rate_period
from tests.support.pricing_values import NOVEMBER, TOKENS, amounts, charged, sentences, terms

FEE = Flat(Fraction(500))


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


def test_a_fee_in_advance_is_for_the_period_that_is_named() -> None:
    """It stands on a statement for the period ahead, by that period's days; else on none."""
    ahead = Period(date(2023, 12, 1), date(2023, 12, 11), 31)
    plan = terms(charged(Flat(Fraction(31), "in_advance"), key="fee"))

    assert () == rate_period(plan, []).lines
    assert Fraction(10) == rate_period(replace(plan, advance=ahead), []).total


def test_charging_the_period_that_is_over_would_be_caught() -> None:
    """In arrears the same fee is for all of November."""
    ahead = Period(date(2023, 12, 1), date(2023, 12, 11), 31)
    plan = replace(terms(charged(Flat(Fraction(31)), key="fee")), advance=ahead)

    assert Fraction(31) == rate_period(plan, []).total
