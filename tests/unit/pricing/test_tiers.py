"""The tier rule on its own: where a quantity falls, and what is wrong with bounds."""

from fractions import Fraction

import pytest

from services.pricing.domain.tiers import (
    flats_entered,
    require_tiers,
    split_over_tiers,
    tier_faults,
    tier_reached,
)
from tests.support.pricing_values import fractions, tier

TIERS = (tier("10", "3", "7"), tier("20", "2"), tier(None, "1", "5"))


def bounds(*texts: str) -> list[Fraction | None]:
    return [None if text == "open" else Fraction(text) for text in texts]


@pytest.mark.parametrize(
    ("quantity", "parts"),
    [
        ("0", []),
        ("10", [(1, "10")]),
        ("10.5", [(1, "10"), (2, "0.5")]),
        ("20", [(1, "10"), (2, "10")]),
        ("25", [(1, "10"), (2, "10"), (3, "5")]),
    ],
)
def test_a_quantity_falls_into_every_tier_up_to_its_own(
    quantity: str, parts: list[tuple[int, str]]
) -> None:
    """The upper bound belongs to its tier; the last tier reached is that of all the quantity."""
    found = split_over_tiers(Fraction(quantity), TIERS)
    reached = tier_reached(Fraction(quantity), TIERS)

    assert [(number, Fraction(units)) for number, units in parts] == [
        (part.number, part.units) for part in found
    ]
    assert (reached and reached.number) == (parts[-1][0] if parts else None)


@pytest.mark.parametrize(
    ("quantity", "flats"),
    [("0", []), ("0.5", [7]), ("-5", [-7]), ("15", [7, 0]), ("-21", [-7, 0, -5])],
)
def test_a_flat_fee_is_due_for_each_tier_entered(quantity: str, flats: list[int]) -> None:
    """Below zero they are those of the same quantity above it, given back."""
    assert list(fractions(*flats)) == flats_entered(Fraction(quantity), TIERS)


def test_every_fault_of_the_bounds_is_told() -> None:
    """Each at its place and in words, also behind an open tier that is not the last."""
    told = tier_faults(bounds("10", "open", "10", "5", "0", "20"))

    assert [
        ("open_tier_not_last", 1),
        ("tier_bounds_equal", 2),
        ("tiers_not_sorted", 3),
        ("tier_bound_not_positive", 4),
        ("missing_open_last_tier", 5),
    ] == [(fault.code, fault.index) for fault in told]
    assert all(" " in fault.message and fault.message.endswith(".") for fault in told)
    assert [] == tier_faults(bounds("10", "20", "open"))


def test_tiers_that_leave_something_without_a_price_cannot_be_made() -> None:
    """Neither none at all, nor a last one with a bound, nor two that do not rise."""
    with pytest.raises(ValueError, match="is open"):
        require_tiers(())
    with pytest.raises(ValueError, match="is open"):
        require_tiers(TIERS[:2])
    with pytest.raises(ValueError, match="tier 1: Tiers rise"):
        require_tiers((TIERS[1], TIERS[0], TIERS[2]))
