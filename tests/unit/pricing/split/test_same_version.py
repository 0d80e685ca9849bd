"""Migrating to an identical version, on any days, changes no amount: whatever the price."""

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.charge import Charge
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
from services.pricing.domain.charges.price import PartOfQuantity, Price, QuantityPrice
from services.pricing.domain.charges.prorated_graduated import ProratedGraduated
from services.pricing.domain.charges.volume import Volume
from services.pricing.domain.charges.volume_package import VolumePackage
from services.pricing.domain.charges.weighted_sum import WeightedSum
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.conversion import Conversion, ConversionRate
from services.pricing.domain.periods import Cycle, Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import ANY_CLASS
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.subscription.changes import Change, ChoosePlan, SetSeats
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.domain.tiers import PackageTier
from services.pricing.domain.usage import Usage
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER, charged, plan, terms, tier, usage

DOLLAR = CURRENCIES["USD"]
FLATS = (tier("10", "3", "7"), tier("40", "2", "5"), tier(None, "1", "11"))
PACKAGES = (
    PackageTier(Fraction(10), Fraction(3), Fraction(4), Fraction(7)),
    PackageTier(None, Fraction(7), Fraction(5), Fraction(2)),
)
QUANTITY_PRICES: Sequence[QuantityPrice] = (
    PerUnit(Fraction(3), Fraction(7)),
    Dynamic(),
    Graduated(FLATS),
    Volume(FLATS),
    Package(Fraction(7), Fraction(3)),
    Package(Fraction(7), Fraction(3), "down"),
    GraduatedPackage(PACKAGES),
    VolumePackage(PACKAGES),
    GraduatedPercentage(
        (RateTier(Fraction(20), Fraction(9), Fraction(4)), RateTier(None, Fraction(3)))
    ),
)
OTHER_PRICES = (
    Matrix((Cell(Fraction(2), kinds=("units",)),)),
    WeightedSum(Fraction(30)),
    ProratedGraduated(FLATS),
    Percentage(Fraction(10), free_amount=Fraction(15)),
)
FEES = (Flat(Fraction(500)), PerSeat(Fraction(20)))
DAYS = st.integers(0, 29).map(lambda days: NOVEMBER.start + timedelta(days=days))
SMALL = st.integers(0, 60).map(Fraction)


@st.composite
def pools(draw: st.DrawFn, measure: str) -> Pool:
    return Pool(
        key=f"pool-{measure}",
        name="Pool",
        measure=measure,  # type: ignore[arg-type]
        included=draw(SMALL),
        included_per_seat={ANY_CLASS: draw(SMALL)} if draw(st.booleans()) else {},
        ends_on=draw(st.none() | DAYS),
        proration=draw(st.sampled_from(["by_days", "full"])),
    )


@st.composite
def charges(draw: st.DrawFn) -> Charge:
    prices: list[Price] = [*QUANTITY_PRICES, *OTHER_PRICES, *FEES]
    price = draw(st.sampled_from(prices))
    conditions: dict[str, Any] = {
        "discount_percent": draw(st.sampled_from([Fraction(0), Fraction(25)])),
        "discount_amount": draw(SMALL),
    }
    if draw(st.booleans()):
        conditions["minimum"] = draw(SMALL)
    if draw(st.booleans()):
        conditions["maximum"] = draw(SMALL) + conditions.get("minimum", Fraction(0))
    usual = not isinstance(price, Flat | PerSeat)
    if draw(st.booleans()):
        by_quantity = isinstance(price, QuantityPrice) and draw(st.booleans())
        size, factor = draw(SMALL), Fraction(3, 2)
        conditions["commitment"] = (
            Commitment(quantity=size, overage_factor=factor)
            if by_quantity
            else Commitment(size, overage_factor=factor)
        )
    if usual and draw(st.booleans()):
        conditions["on_demand_limit"] = draw(SMALL)
    if isinstance(price, QuantityPrice):
        conditions["free_units"] = draw(SMALL)
        conditions["pools"] = tuple(
            draw(
                st.lists(
                    st.one_of(pools("quantity"), pools("amount")),
                    max_size=2,
                    unique_by=lambda pool: pool.key,
                )
            )
        )
        conditions["overage"] = draw(st.sampled_from(["allow", "block"]))
    return charged(price, **conditions)


ROWS = st.lists(
    st.builds(usage, st.just("units"), st.integers(-20, 60), usage_day=DAYS), max_size=5
)
SEATS = st.lists(st.tuples(DAYS, st.integers(0, 9)), max_size=3)
CUTS = st.sets(DAYS, max_size=3)


def timeline(cuts: set[date], seats: list[tuple[date, int]]) -> Timeline:
    """Return a subscription that is migrated to the same plan on each of the days."""
    events = [(day, SetSeats(count)) for day, count in seats]
    events += [(day, ChoosePlan("book", "plan")) for day in sorted(cuts)]  # type: ignore[misc]
    changes = [Change(str(n), n, day, event) for n, (day, event) in enumerate(events, start=1)]
    start = NOVEMBER.start
    return Timeline(start, Cycle(1), Terms("book", "plan"), seats=3, changes=tuple(changes))


def parts_of(told: Timeline, period: Period, sold: Plan) -> SplitTerms:
    parts = (
        Part(s.period, sold, "book", "hash", s.seats, s.charged) for s in told.stretches(period)
    )
    return SplitTerms(tuple(parts), DOLLAR)


def in_one(charge: Charge, rows: list[Usage], seats: list[tuple[date, int]]) -> Fraction:
    (stretch,) = timeline(set(), seats).stretches(NOVEMBER)
    sold = plan(charge, minimum=Fraction(9), commitment=Commitment(Fraction(30)))
    return rate_period(RatingTerms("hash", sold, DOLLAR, stretch.seats, NOVEMBER), rows).total


def in_parts(
    charge: Charge, rows: list[Usage], seats: list[tuple[date, int]], cuts: set[date]
) -> Fraction:
    sold = plan(charge, minimum=Fraction(9), commitment=Commitment(Fraction(30)))
    return rate_parts(parts_of(timeline(cuts, seats), NOVEMBER, sold), rows).total


@settings(max_examples=400, deadline=None)
@given(charges(), ROWS, SEATS, CUTS)
def test_the_same_version_again_changes_nothing(
    charge: Charge, rows: list[Usage], seats: list[tuple[date, int]], cuts: set[date]
) -> None:
    """However often a period is split at an identical version, it comes to the same."""
    assert in_one(charge, rows, seats) == in_parts(charge, rows, seats, cuts)


def alone(_before: Fraction, quantity: Fraction, _total: Fraction, _tiers: int) -> PartOfQuantity:
    """Return a part as though there were no other."""
    return PartOfQuantity(Fraction(0), quantity, quantity)


@pytest.mark.parametrize(
    "price",
    [price for price in QUANTITY_PRICES if not price.linear],
    ids=lambda price: type(price).__name__,
)
def test_parts_that_forget_what_came_before_are_noticed(
    price: QuantityPrice, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each part priced alone begins its tiers and packages again, which is another amount."""
    rows = [usage("units", 9 + n, usage_day=date(2023, 11, 10 * n)) for n in (1, 2)]
    parts = parts_of(timeline({date(2023, 11, 16)}, []), NOVEMBER, plan(charged(price)))
    right = rate_parts(parts, rows).total
    monkeypatch.setattr("services.pricing.domain.split.around.PartOfQuantity", alone)

    assert right != rate_parts(parts, rows).total


@settings(max_examples=100, deadline=None)
@given(charges(), ROWS, SEATS, CUTS, st.randoms(use_true_random=False))
def test_parts_of_lines_sum_and_order_is_nothing(
    charge: Charge,
    rows: list[Usage],
    seats: list[tuple[date, int]],
    cuts: set[date],
    random: object,
) -> None:
    """Steps and details sum to their line, lines to the total; shuffled rows give the same hash."""
    shuffled = list(rows)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    parts = parts_of(timeline(cuts, seats), NOVEMBER, plan(charge))
    rated = rate_parts(parts, rows)

    assert rated == rate_parts(parts, shuffled)
    assert rated.total == sum(line.amount for line in rated.lines)
    for line in rated.lines:
        assert line.amount == sum(step.amount for step in line.steps)
        assert not line.details or line.amount == sum(d.amount for d in line.details)


@pytest.mark.parametrize("price", QUANTITY_PRICES, ids=lambda price: type(price).__name__)
def test_a_border_that_is_crossed_back_and_again_is_paid_once(price: QuantityPrice) -> None:
    """A reversal takes a flat fee back with its tier; entered again, the tier costs it again."""
    rows = [
        usage("units", quantity, usage_day=date(2023, 11, day))
        for day, quantity in ((5, 15), (15, -8), (25, 8))
    ]
    cuts = {date(2023, 11, 10), date(2023, 11, 20)}

    assert in_one(charged(price), rows, []) == in_parts(charged(price), rows, [], cuts)


def test_the_same_version_again_spreads_a_line_alike() -> None:
    """What each agent and day caused is told by converted units, in parts as in one."""
    rates = (ConversionRate(Fraction(10), kinds=("a",)), ConversionRate(Fraction(1), kinds=("b",)))
    charge = charged(PerUnit(Fraction(1)), "a", "b", conversion=Conversion("credits", rates))
    rows = [
        usage("a", 1, usage_day=date(2023, 11, 3)),
        usage("b", 10, usage_day=date(2023, 11, 20)),
        usage("b", -4, usage_day=date(2023, 11, 25)),
    ]
    told = parts_of(timeline({date(2023, 11, 16)}, []), NOVEMBER, plan(charge))

    (line,) = rate_parts(told, rows).lines

    assert [10, 10, -4] == [detail.amount for detail in line.details]
    assert line.details == rate_period(terms(charge), rows).lines[0].details
