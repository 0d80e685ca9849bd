"""Volume charges."""

import pytest

from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.volume import Volume
from shared.money import exact
from tests.support.pricing_values import TOKENS, sentences, tier

TIERS = (tier("1000", "0.02", "5"), tier("5000", "0.015"), tier(None, "0.01", "20"))
TABLE = Volume(TIERS)

BOUNDARIES = [
    ("0", "0"),
    ("0.5", "5.01"),
    ("1000", "25"),
    ("1000.5", "15.0075"),
    ("5000", "75"),
    ("5000.5", "70.005"),
    ("8000", "100"),
    ("-1000", "-25"),
]


@pytest.mark.parametrize(("quantity", "amount"), BOUNDARIES)
def test_the_table_of_boundaries(quantity: str, amount: str) -> None:
    """All units cost what the reached tier says, plus its flat; nothing at zero."""
    assert exact(amount) == TABLE.amount(exact(quantity), TOKENS)


def test_the_step_names_the_tier() -> None:
    """The words say that the price is for all, and the flat apart."""
    steps = TABLE.price(exact("8000"), TOKENS)

    assert [
        "all 8,000 tokens at 0.01 USD each (tier 3)",
        "flat fee of tier 3: 20.00 USD",
    ] == sentences(steps)


def test_the_table_tells_volume_from_graduated() -> None:
    """Pricing each part at its own tier instead does not pass the table."""
    graduated = Graduated(TIERS)

    found = [graduated.amount(exact(quantity), TOKENS) for quantity, _ in BOUNDARIES]

    assert [exact(amount) for _, amount in BOUNDARIES] != found
