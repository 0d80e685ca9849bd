"""Graduated packages."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.graduated_package import GraduatedPackage
from services.pricing.domain.tiers import PackageTier
from shared.money import exact
from tests.support.pricing_values import TOKENS, sentences

TIERS = (
    PackageTier(Fraction(1000), Fraction(100), Fraction(1), Fraction(5)),
    PackageTier(None, Fraction(1000), Fraction(1)),
)


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [("0", 0), ("0.5", 6), ("1000", 15), ("1000.5", 16), ("5325", 20), ("-1000.5", -16)],
)
def test_each_tier_has_packages_of_its_own(quantity: str, amount: int) -> None:
    """The units within a tier are rounded up to its packages; a flat once it is entered."""
    assert amount == GraduatedPackage(TIERS).amount(exact(quantity), TOKENS)


def test_each_tier_is_a_step() -> None:
    """The words tell units, packages and where they lie."""
    assert [
        "first 1,000 tokens are 10 packages of 100 at 1.00 USD",
        "flat fee of tier 1: 5.00 USD",
        "above: 4,325 tokens are 5 packages of 1,000 at 1.00 USD",
    ] == sentences(GraduatedPackage(TIERS).price(Fraction(5325), TOKENS))


def test_rounding_the_whole_quantity_first_would_be_caught() -> None:
    """Packages of the last tier for everything are another price."""
    assert 6 != GraduatedPackage(TIERS).amount(Fraction(5325), TOKENS)


def test_a_bounded_last_tier_cannot_be_constructed() -> None:
    """Units above the last bound would have no price."""
    with pytest.raises(ValueError, match="open"):
        GraduatedPackage(TIERS[:1])
