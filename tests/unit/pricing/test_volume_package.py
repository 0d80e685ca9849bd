"""Volume packages."""

from fractions import Fraction

import pytest

from services.pricing.domain.charges.volume_package import VolumePackage
from services.pricing.domain.tiers import PackageTier
from shared.money import exact
from tests.support.pricing_values import TOKENS, sentences

TIERS = (
    PackageTier(Fraction(1000), Fraction(100), Fraction(1)),
    PackageTier(None, Fraction(1000), Fraction("0.5"), Fraction(3)),
)


@pytest.mark.parametrize(
    ("quantity", "amount"),
    [("0", "0"), ("1", "1"), ("1000", "10"), ("1000.5", "4"), ("300000", "153"), ("-1001", "-4")],
)
def test_the_reached_tier_prices_everything(quantity: str, amount: str) -> None:
    """All units in packages of the reached tier, plus its flat; prices may fall at a border."""
    assert exact(amount) == VolumePackage(TIERS).amount(exact(quantity), TOKENS)


def test_the_step_names_the_tier() -> None:
    """The words say that the packages are for all."""
    assert [
        "all 1,001 tokens are 2 packages of 1,000 at 0.50 USD (tier 2)",
        "flat fee of tier 2: 3.00 USD",
    ] == sentences(VolumePackage(TIERS).price(Fraction(1001), TOKENS))


def test_packages_of_each_tier_would_be_caught() -> None:
    """Pricing the first 1,000 in their own packages comes to more."""
    assert Fraction(10) + Fraction("0.5") + 3 != VolumePackage(TIERS).amount(Fraction(1001), TOKENS)
