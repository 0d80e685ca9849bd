"""A price over the parts of a period, part by part, without what stands around it."""

from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate

import pytest

from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.graduated_package import GraduatedPackage
from services.pricing.domain.charges.graduated_percentage import GraduatedPercentage, RateTier
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.percentage import Percentage
from services.pricing.domain.charges.price import PartOfQuantity, QuantityPrice, Situation
from services.pricing.domain.charges.prorated_graduated import ProratedGraduated
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.charges.volume_package import VolumePackage
from services.pricing.domain.tiers import PackageTier
from services.pricing.domain.usage import canonical_usage
from tests.support.pricing_values import (
    NOVEMBER,
    TOKENS,
    amounts,
    fractions,
    sentences,
    tier,
    usage,
)

FLATS = (tier("10", "3", "7"), tier("40", "2", "5"), tier(None, "1", "11"))
PACKAGES = (
    PackageTier(*fractions(10, 3, 4, 7)),
    PackageTier(None, *fractions(7, 5, 2)),
)
PRICES: Sequence[QuantityPrice] = (
    PerUnit(*fractions(3, 7)),
    Graduated(FLATS, Fraction(2)),
    Volume(FLATS, Fraction(2)),
    Package(Fraction(7), Fraction(3)),
    Package(Fraction(7), Fraction(3), "down"),
    GraduatedPackage(PACKAGES),
    VolumePackage(PACKAGES),
    GraduatedPercentage((RateTier(*fractions(20, 9, 4)), RateTier(None, Fraction(3), Fraction(6)))),
)
PARTS = (
    [15, 30],
    [0, 5],
    [15, -8, 8],
    [0, 15],
    [15, 0, 1],
    [-5, 20, -30],
    [45, -45],
    [5, 5, 5, 5, 5],
)


def part_of(before: int, quantity: int, total: int, charged: int) -> PartOfQuantity:
    return PartOfQuantity(Fraction(before), Fraction(quantity), Fraction(total), charged)


def parts_of(price: QuantityPrice, quantities: Sequence[int], charged: int = 0) -> list[Fraction]:
    """Return what each part adds, its tiers passed on to the next one."""
    found = []
    for after, quantity in zip(accumulate(quantities), quantities, strict=True):
        part = part_of(after - quantity, quantity, sum(quantities), charged)
        found.append(sum(amounts(price.price_part(part, TOKENS)), Fraction(0)))
        charged = price.tiers_entered(part)
    return found


@pytest.mark.parametrize("quantities", PARTS, ids=str)
@pytest.mark.parametrize("price", PRICES, ids=lambda price: type(price).__name__)
def test_parts_come_to_what_the_whole_would(price: QuantityPrice, quantities: list[int]) -> None:
    """Also where a quantity falls back below a border, or below zero, and rises again."""
    whole = price.amount(Fraction(sum(quantities)), TOKENS)

    assert whole == sum(parts_of(price, quantities))


@pytest.mark.parametrize("price", PRICES, ids=lambda price: type(price).__name__)
def test_a_first_part_is_priced_as_a_period(price: QuantityPrice) -> None:
    """With a step for each tier, and for less than one unit, too."""
    for quantity in (Fraction(45), Fraction(1, 2)):
        part = PartOfQuantity(Fraction(0), quantity, quantity)
        assert price.price(quantity, TOKENS) == price.price_part(part, TOKENS)


@pytest.mark.parametrize(
    ("price", "half"),
    list(zip(PRICES, ("3/14", "31/4", "31/4", 3, 0, 11, 11, "809/200"), strict=True)),
)
def test_half_a_unit_costs_as_little(price: QuantityPrice, half: str | int) -> None:
    """A part of a unit enters the first tier: its flat fee is due, not given back."""
    assert Fraction(half) == price.amount(Fraction(1, 2), TOKENS)


def test_a_flat_fee_names_its_tier() -> None:
    """In words, beside the units of the tier."""
    assert [
        "first 10 tokens at 3.00 USD each",
        "flat fee of tier 1: 7.00 USD",
        "next 5 tokens at 2.00 USD each",
        "flat fee of tier 2: 5.00 USD",
    ] == sentences(Graduated(FLATS).price(Fraction(15), TOKENS))


def test_a_part_without_usage_has_no_step() -> None:
    """Whatever came before it."""
    for price in PRICES[1:]:
        part = part_of(15, 0, 15, 2)
        assert [] == price.price_part(part, TOKENS)
        assert 2 == price.tiers_entered(part)


def test_flat_fees_that_an_earlier_version_charged_are_not_due() -> None:
    """Two tiers were paid: of three entered the third is due; of one reached, none."""
    graduated, volume, packages = Graduated(FLATS), Volume(FLATS), VolumePackage(PACKAGES)

    # 40 units more after 5: 5 at 3, 30 at 2, 5 at 1, and the flat fee of tier 3.
    assert [15 + 60 + 5 + 11] == parts_of_one(graduated, 5, 40, charged=2)
    # 10 units more after 5, into tier 2: that fee was charged before, as a step says.
    steps = graduated.price_part(part_of(5, 10, 15, 2), TOKENS)
    assert [
        "10 tokens after 5 tokens, 52.00 USD less 22.00 USD",
        "flat fees that were charged before",
    ] == sentences(steps)
    assert list(fractions(30, -5)) == amounts(steps)
    assert {"price"} == {step.step for step in steps}
    assert [20] == parts_of_one(volume, 5, 10, charged=2)
    assert [20 + 5] == parts_of_one(volume, 5, 10, charged=1)
    # 15 are 3 packages of 7, of which 5 began one.
    assert [10] == parts_of_one(packages, 5, 10, charged=2)
    assert [10 + 2] == parts_of_one(packages, 5, 10, charged=1)


def parts_of_one(
    price: QuantityPrice, before: int, quantity: int, *, charged: int
) -> list[Fraction]:
    part = part_of(before, quantity, before + quantity, charged)
    return [sum(amounts(price.price_part(part, TOKENS)), Fraction(0))]


def test_a_price_without_tiers_leaves_what_was_charged() -> None:
    """From graduated to per unit and on: the flat fees are still paid."""
    part = part_of(15, 5, 20, 2)

    assert 2 == PerUnit(Fraction(1)).tiers_entered(part)
    assert 3 == VolumePackage(PACKAGES).tiers_entered(part_of(1, 1, 2, 3))


def test_what_was_used_before_tiers_came_counts_in_them() -> None:
    """8 units at a price of their own, then graduated: the next 4 begin at the ninth."""
    assert [2 * 3 + 2 * 2 + 5] == parts_of_one(Graduated(FLATS), 8, 4, charged=0)


def test_events_before_are_taken_off_at_the_price_of_the_part() -> None:
    """Of three events one is free: the second part pays what all three cost, less the first two."""
    price = Percentage(Fraction(10), fixed_amount=Fraction(1), free_events=1)

    steps = price.price_part(fractions(100, 200), fractions(300), TOKENS)

    assert Fraction(50 + 2 - 20 - 1) == sum(amounts(steps))
    assert ("price", Fraction(-21)) == (steps[-1].step, steps[-1].amount)


def test_levels_enter_their_tiers_once() -> None:
    """A level of 15 and 30 more: three tiers; those of an earlier part stay charged."""
    price = ProratedGraduated(FLATS, Fraction(2))
    rows = [usage("units", 30, usage_day=NOVEMBER.start)]
    levelled = Situation(NOVEMBER, level=Fraction(15))
    charged = Situation(NOVEMBER, level=Fraction(15), tiers_charged=2)

    groups = canonical_usage(rows)
    assert 3 == price.tiers_entered(groups, levelled)
    assert 2 == price.tiers_entered([], levelled)
    assert 3 == price.tiers_entered([], Situation(NOVEMBER, tiers_charged=3))
    variable = Fraction(10 * 3 + 30 * 2 + 5, 2)
    assert variable + 7 + 5 + 11 == sum(amounts(price.price_rows(groups, levelled, TOKENS).steps))
    assert variable + 11 == sum(amounts(price.price_rows(groups, charged, TOKENS).steps))
