"""Usage in units of the vendor's own."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.conversion import Conversion, ConversionRate
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import rate_period
from shared.money import exact
from tests.support.pricing_values import MILLION, charged, sentences, terms, usage

CREDITS = Conversion(
    "credits",
    (
        ConversionRate(exact("125"), MILLION, kinds=("input_uncached",), models=("gpt-5.5",)),
        ConversionRate(exact("18.75"), MILLION, kinds=("input_uncached",), models=("gpt-*",)),
        ConversionRate(exact("750"), MILLION, kinds=("output_text",)),
    ),
)
CHARGE = charged(PerUnit(exact("0.04")), "*", conversion=CREDITS)


def test_usage_is_counted_in_credits_and_stays_fractional() -> None:
    """The line tells tokens, credits and money; its quantity is the usage itself."""
    rows = [usage("input_uncached", 100_001, model="gpt-5.5")]

    line = rate_period(terms(CHARGE), rows).lines[0]

    assert [
        "100,001 units are 12.500125 credits",
        "12.500125 credits at 0.04 USD each",
    ] == sentences(list(line.steps))
    assert (Fraction(100_001), exact("0.500005")) == (line.quantity, line.amount)


def test_a_detail_pays_for_its_own_credits() -> None:
    """A million output tokens are six times the credits of a million input tokens."""
    rows = [usage(kind, MILLION, model="gpt-5.5") for kind in ("input_uncached", "output_text")]

    line = rate_period(terms(CHARGE), rows).lines[0]

    assert [Fraction(5), Fraction(30)] == [detail.amount for detail in line.details]


def test_the_most_specific_rate_wins() -> None:
    """The rule is that of a matrix: the model first, a text before a pattern."""
    assert [exact("0.000125"), exact("0.00001875"), exact("0.00075"), None] == [
        CREDITS.rate_of(*key)
        for key in (
            ("gpt-5.5", "input_uncached"),
            ("gpt-5.4-mini", "input_uncached"),
            ("other", "output_text"),
            ("other", "input_uncached"),
        )
    ]


def test_what_cannot_be_converted_is_unrated() -> None:
    """Usage without a rate costs no credits by accident."""
    rated = rate_period(terms(CHARGE), [usage("input_uncached", 5, model="other")])

    assert [Fraction(5)] == [row.quantity for row in rated.unrated]


def test_a_rate_of_nothing_is_free() -> None:
    """What costs no credits is priced at 0, as agreed, and is not unrated."""
    free = Conversion("credits", (ConversionRate(Fraction(0)),))

    rated = rate_period(terms(charged(CHARGE.price, "*", conversion=free)), [usage("images", 7)])

    assert [Fraction(0)] == free.convert([("any", "images", Fraction(7))])
    assert rated.total == 0
    assert () == rated.unrated


def test_pools_hold_credits() -> None:
    """What is included is in the unit of the charge, as are packages."""
    pool = Pool("base", "Base", "quantity", Fraction(700))
    charge = charged(Package(Fraction(100), Fraction(1)), "*", conversion=CREDITS, pools=(pool,))

    line = rate_period(terms(charge), [usage("output_text", MILLION)]).lines[0]

    assert (Fraction(700), Fraction(1)) == (line.pools[0].used, line.amount)


def test_equal_rates_cannot_be_constructed() -> None:
    """Two rates for the same usage would be a choice by accident."""
    with pytest.raises(ValueError, match="same patterns"):
        Conversion("credits", (ConversionRate(Fraction(1)), ConversionRate(Fraction(2))))


def test_rounding_credits_up_would_be_caught() -> None:
    """Whole credits for each row are another amount."""
    line = rate_period(terms(CHARGE), [usage("output_text", 1)]).lines[0]

    assert exact("0.04") != line.amount
