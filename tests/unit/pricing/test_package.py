"""Packages."""

from fractions import Fraction
from math import ceil

import pytest

from services.pricing.domain.charges.package import Package, PackageRounding
from services.pricing.domain.rating import rate_period
from shared.money import exact
from tests.support.pricing_values import NOVEMBER, TOKENS, charged, sentences, terms, usage

TEN = Package(Fraction(10), Fraction(100))


@pytest.mark.parametrize(
    ("quantity", "rounding", "amount"),
    [
        ("0", "up", 0),
        ("0.000001", "up", 100),
        ("10", "up", 100),
        ("10.000001", "up", 200),
        ("1000000000000000001", "up", 10_000_000_000_000_000_100),
        ("-11", "up", -200),
        ("9.999", "down", 0),
        ("10", "down", 100),
        ("-19", "down", -100),
    ],
)
def test_the_division_is_exact(quantity: str, rounding: PackageRounding, amount: int) -> None:
    """A package begun is paid in full (up) or not at all (down), also past 15 digits."""
    package = Package(Fraction(10), Fraction(100), rounding)

    assert amount == package.amount(exact(quantity), TOKENS)


def test_free_units_come_off_before_packages_are_counted() -> None:
    """121 units less 10 free ones are 12 packages, not 13 less one."""
    rated = rate_period(
        terms(charged(TEN, free_units=Fraction(10)), period=NOVEMBER), [usage("units", 121)]
    )

    assert ["10 units free", "111 units are 12 packages of 10 at 100.00 USD"] == sentences(
        list(rated.lines[0].steps)
    )
    assert Fraction(1200) == rated.total


def test_dividing_as_floats_would_be_caught() -> None:
    """Binary floats lose the last unit of a large quantity, and with it a package."""
    quantity = 10**18 + 1

    assert TEN.amount(Fraction(quantity), TOKENS) != ceil(quantity / 10) * 100


def test_one_package_is_one() -> None:
    """In words, too."""
    assert ["7 tokens are 1 package of 10 at 100.00 USD"] == sentences(
        TEN.price(Fraction(7), TOKENS)
    )
