"""What holds for every charge model: unit sizes, the place of its steps, amounts of its rows."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.charges.action_credits import ActionCredits
from services.pricing.domain.charges.context_tier import ContextTier, ContextTiers
from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.charges.dynamic import Dynamic
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.graduated import Graduated
from services.pricing.domain.charges.graduated_package import GraduatedPackage
from services.pricing.domain.charges.graduated_percentage import GraduatedPercentage, RateTier
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.package import Package
from services.pricing.domain.charges.per_seat import PerSeat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.percentage import Percentage
from services.pricing.domain.charges.price import EventPrice, FeePrice, RowPrice, Situation
from services.pricing.domain.charges.prorated_graduated import ProratedGraduated
from services.pricing.domain.charges.surcharge import Surcharge
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.charges.volume_package import VolumePackage
from services.pricing.domain.charges.weighted_sum import WeightedSum
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.step import Step
from services.pricing.domain.tiers import PackageTier
from services.pricing.domain.usage import canonical_usage
from tests.support.pricing_values import NOVEMBER, TOKENS, amounts, fractions, tier, usage

TIERS = (tier("5", "3", "7"), tier(None, "2", "5"))
PACKAGES = (PackageTier(None, *fractions(3, 2, 1)),)
BY_SIZE: tuple[Any, ...] = (
    PerUnit(Fraction(3)),
    Surcharge(Fraction(3)),
    Graduated((tier("5", "3"), tier(None, "2"))),
    Volume((tier("5", "3"), tier(None, "2"))),
    Matrix((Cell(Fraction(3)),)),
    ContextTiers((ContextTier(None, {"units": Fraction(3)}),)),
    WeightedSum(Fraction(3)),
    ProratedGraduated((tier("5", "3"), tier(None, "2"))),
)
OTHERS: tuple[Any, ...] = (
    Flat(Fraction(9)),
    PerSeat(Fraction(9)),
    Graduated(TIERS),
    Volume(TIERS),
    ProratedGraduated(TIERS),
    Package(Fraction(3), Fraction(2)),
    GraduatedPackage(PACKAGES),
    VolumePackage(PACKAGES),
    GraduatedPercentage((RateTier(*fractions(5, 10, 1)), RateTier(None, Fraction(5)))),
    Dynamic(),
    CostPlus(Fraction(3)),
    Percentage(
        Fraction(10),
        Fraction(1),
        free_events=1,
        min_per_event=Fraction(2),
        max_per_event=Fraction(3),
    ),
    ActionCredits(*fractions(3, 2, 1)),
)
ROWS = [
    usage("units", quantity, usage_day=date(2023, 11, day), context_band="32k", cost=Fraction(2))
    for quantity, day in ((4, 1), (4, 16))
]
SEATS = Seats({"": 2}, (SeatChange(date(2023, 11, 16), 1), SeatChange(date(2023, 11, 20), -1)))
SITUATION = Situation(NOVEMBER, SEATS, level=Fraction(2))


def name(price: object) -> str:
    return type(price).__name__


def steps_of(price: Any) -> list[Step]:
    """Return the steps for two rows of four units, or for three events."""
    if isinstance(price, FeePrice):
        return price.price(SITUATION, TOKENS)
    if isinstance(price, RowPrice):
        return price.price_rows(canonical_usage(ROWS), SITUATION, TOKENS).steps
    if isinstance(price, EventPrice):
        return price.price_events(fractions(4, 5, 90), TOKENS)
    steps: list[Step] = price.price(Fraction(8), TOKENS)
    return steps


@pytest.mark.parametrize("price", BY_SIZE, ids=name)
def test_a_price_is_for_its_unit_size(price: Any) -> None:
    """For each thousand of something it is a thousandth of what it is for each one."""
    one, thousand = steps_of(price), steps_of(replace(price, per=Fraction(1000)))

    assert 0 < sum(amounts(one)) == 1000 * sum(amounts(thousand))


@pytest.mark.parametrize("price", [*BY_SIZE, *OTHERS], ids=name)
def test_every_step_of_a_price_says_so(price: Any) -> None:
    """A statement shows by it which amounts are the price, and which came after."""
    assert {"price"} == {step.step for step in steps_of(price)}


@pytest.mark.parametrize(
    "price", [p for p in (*BY_SIZE, *OTHERS) if isinstance(p, RowPrice)], ids=name
)
def test_the_amounts_of_rows_are_in_money(price: Any) -> None:
    """They sum to the price, less flat fees and what a level from before costs."""
    alone = Situation(NOVEMBER, SEATS)
    for one in (price, replace(price, per=Fraction(1000)) if hasattr(price, "per") else price):
        priced = one.price_rows(canonical_usage(ROWS), alone, TOKENS)
        flats = [step.amount for step in priced.steps if step.description.startswith("flat fee")]
        caused = sum(column.total for column in priced.amounts)
        assert sum(amounts(priced.steps)) == caused + sum(flats)
        assert 2 == sum(len(column.numerators) for column in priced.amounts)
