"""Included pools: of seats, shared, of money, promotional, in order."""

from datetime import date
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.charges.dynamic import Dynamic
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.periods import Period
from services.pricing.domain.pools import Pool
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.statement import Line
from tests.support.pricing_values import NOVEMBER, charged, fractions, sentences, terms, usage

CENT = PerUnit(Fraction(1, 100))
HALF = Period(date(2023, 11, 16), date(2023, 12, 1), 30)


def pool(key: str = "pool", **values: Any) -> Pool:
    return Pool(**({"key": key, "name": key.title(), "measure": "quantity"} | values))


def rate(
    *pools: Pool,
    used: int,
    day: int = 16,
    seats: Seats | None = None,
    period: Period = NOVEMBER,
    **conditions: Any,
) -> Line:
    charge = charged(CENT, pools=pools, **conditions)
    row = usage("units", used, usage_day=date(2023, 11, day))
    return rate_period(terms(charge, seats=seats or Seats(), period=period), [row]).lines[0]


def test_pools_burn_in_their_order() -> None:
    """The first is empty before the second is touched; the line tells what is left of each."""
    base, flex = pool("base", included=Fraction(1000)), pool("flex", included=Fraction(500))

    line = rate(base, flex, used=1200)

    assert [("base", *fractions(1000, 0)), ("flex", *fractions(200, 300))] == [
        (use.pool, use.used, use.remaining) for use in line.pools
    ]
    assert "1,000 units from Base, 0 left" == sentences(list(line.steps))[0]
    assert fractions(0, 1200) == (line.amount, line.quantity)


@pytest.mark.parametrize(("overage", "amount", "blocked"), [("allow", 2, 0), ("block", 0, 200)])
def test_what_is_above_is_billed_or_blocked(overage: str, amount: int, blocked: int) -> None:
    """Blocked units are told and not billed."""
    line = rate(pool(included=Fraction(1000)), used=1200, overage=overage)

    assert fractions(amount, blocked) == (line.amount, line.blocked)


def test_seats_enlarge_a_shared_pool_at_once() -> None:
    """A seat added on the 16th brings its units by days, or all of them where a pool says so."""
    seats = Seats({"": 2}, (SeatChange(date(2023, 11, 16), 1),))

    found = [
        rate(pool(included_per_seat={"": Fraction(100)}, proration=proration), used=1, seats=seats)
        .pools[0]
        .included
        for proration in ("by_days", "full")
    ]

    assert [Fraction(250), Fraction(300)] == found


def test_a_removed_seat_leaves_its_units_until_the_period_ends() -> None:
    """Removals shrink the pool of the next period only."""
    seats = Seats({"": 2}, (SeatChange(date(2023, 11, 2), -1),))

    line = rate(pool(included_per_seat={"": Fraction(100)}), used=1, seats=seats)

    assert Fraction(200) == line.pools[0].included


def test_a_shorter_period_has_its_share() -> None:
    """Half of the days hold half of the units."""
    assert Fraction(50) == rate(pool(included=Fraction(100)), used=1, period=HALF).pools[0].included


@pytest.mark.parametrize(("day", "taken"), [(10, 100), (11, 0)])
def test_a_promotion_is_for_usage_up_to_its_last_day(day: int, taken: int) -> None:
    """The last day is included; usage of the day after draws on nothing."""
    promotion = pool(included=Fraction(100), ends_on=date(2023, 11, 10))

    assert taken == rate(promotion, used=100, day=day).pools[0].used


def rate_days(*rows: tuple[int, int], pools: tuple[Pool, ...], **conditions: Any) -> Line:
    """Return the line of what was used on days of November."""
    used = [usage("units", units, usage_day=date(2023, 11, day)) for day, units in rows]
    return rate_period(terms(charged(CENT, pools=pools, **conditions)), used).lines[0]


@pytest.mark.parametrize(("free", "given"), [(0, 7), (1, 6), (5, 2), (9, 0)])
def test_what_was_free_of_the_first_days_is_not_included_too(free: int, given: int) -> None:
    """Of 3 and 4 while a promotion lasts it includes what was not free, and nothing later."""
    promotion = pool(included=Fraction(50), ends_on=date(2023, 11, 10))

    line = rate_days((3, 3), (9, 4), (20, 10), pools=(promotion,), free_units=Fraction(free))

    assert [given] == [use.used for use in line.pools]
    assert Fraction(17 - free - given, 100) == line.amount


def test_a_pool_gives_before_and_after_the_end_of_another() -> None:
    """80 while a promotion of 50 lasts, 40 after it: the pool behind it gives 30 and 40."""
    pools = (
        pool("promotion", included=Fraction(50), ends_on=date(2023, 11, 5)),
        pool("base", included=Fraction(100)),
    )

    line = rate_days((3, 80), (25, 40), pools=pools)

    assert list(fractions(50, 70)) == [use.used for use in line.pools]
    assert line.amount == 0


def test_what_one_promotion_gave_another_does_not_give_again() -> None:
    """30 of day 3 are the first one's; the second holds 50, but nothing for day 25."""
    pools = (
        pool("first", included=Fraction(50), ends_on=date(2023, 11, 5)),
        pool("second", included=Fraction(50), ends_on=date(2023, 11, 20)),
    )

    line = rate_days((3, 30), (25, 100), pools=pools)

    assert list(fractions(30, 0)) == [use.used for use in line.pools]
    assert Fraction(1) == line.amount


@pytest.mark.parametrize(("proration", "held"), [("by_days", 50), ("full", 100)])
def test_a_pool_may_be_full_in_a_shorter_period(proration: str, held: int) -> None:
    """The fixed part, too; the line says what is measured."""
    own = pool(included=Fraction(100), proration=proration)

    (use,) = rate(own, used=1, period=HALF).pools

    assert (Fraction(held), "quantity") == (use.included, use.measure)


def test_a_promotion_of_an_earlier_period_is_gone() -> None:
    """After its last day a pool holds nothing."""
    line = rate(pool(included=Fraction(100), ends_on=date(2023, 10, 31)), used=5)

    assert fractions(0, 0) == (line.pools[0].included, line.pools[0].used)


def test_a_promotion_may_end_on_the_first_day() -> None:
    """Its last day is a day of the period, and holds the usage of that day."""
    promotion = pool(included=Fraction(100), ends_on=NOVEMBER.start)

    assert 5 == rate(promotion, used=5, day=1).pools[0].used


def test_a_promotion_gives_for_what_is_left_of_its_days() -> None:
    """50 taken back, then 60 used, then 40 after its end: the promotion holds 10 of them."""
    pools = (
        pool("promotion", included=Fraction(100), ends_on=date(2023, 11, 10)),
        pool("base", included=Fraction(100)),
    )
    earlier = pool("earlier", ends_on=date(2023, 11, 5))
    rows = [
        usage("units", n, usage_day=date(2023, 11, day)) for day, n in ((4, -50), (8, 60), (20, 40))
    ]

    line = rate_period(terms(charged(CENT, pools=(earlier, *pools))), rows).lines[0]

    assert list(fractions(0, 10, 40)) == [use.used for use in line.pools]


@pytest.mark.parametrize(
    ("proration", "period", "taken"),
    [("by_days", NOVEMBER, 20), ("by_days", HALF, 10), ("full", HALF, 20)],
)
def test_pools_of_seats_are_for_a_whole_period(proration: str, period: Period, taken: int) -> None:
    """Half a period holds half of each seat's units, unless the pool is full from the start."""
    own = pool(included_per_seat={"": Fraction(20)}, scope="per_seat", proration=proration)
    holder = UsageOfSeat("ann", "", "a", "m", "units", "p", date(2023, 11, 16), Fraction(30))
    plan = terms(charged(CENT, pools=(own,)), seats=1, period=period)

    line = rate_period(plan, [usage("units", 30)], Readings(usage_of_seats=(holder,))).lines[0]

    assert taken == line.pools[0].used


@pytest.mark.parametrize(("ends_on", "day", "taken"), [(15, 16, 0), (16, 16, 20), (1, 1, 20)])
def test_a_promotion_for_seats_is_for_usage_up_to_its_last_day(
    ends_on: int, day: int, taken: int
) -> None:
    """The last day is included for the pools of seats, too, be it the first of the period."""
    last = date(2023, 11, ends_on)
    own = pool(included_per_seat={"": Fraction(20)}, scope="per_seat", ends_on=last)
    holder = UsageOfSeat("ann", "", "a", "m", "units", "p", date(2023, 11, day), Fraction(30))
    plan = terms(charged(CENT, pools=(own,)), seats=1)
    row = usage("units", 30, usage_day=date(2023, 11, 1))

    line = rate_period(plan, [row], Readings(usage_of_seats=(holder,))).lines[0]

    assert taken == line.pools[0].used


def test_free_units_are_those_of_the_first_days() -> None:
    """Of 15 early units 10 are free: a promotion has 5 of them to give, and none of the later."""
    promotion = pool(included=Fraction(100), ends_on=date(2023, 11, 10))
    rows = [usage("units", n, usage_day=date(2023, 11, day)) for day, n in ((20, 10), (5, 15))]

    charge = charged(CENT, pools=(promotion,), free_units=Fraction(10))
    line = rate_period(terms(charge), rows).lines[0]

    assert fractions(5, "0.1") == (line.pools[0].used, line.amount)


def test_what_is_just_included_is_not_said_to_be_blocked() -> None:
    """A pool that is empty at the last unit blocks nothing; a limit just reached neither."""
    units = rate(pool(included=Fraction(10)), used=10, overage="block")
    money = charged(Dynamic(), pools=(pool(measure="amount"),), on_demand_limit=Fraction(10))
    line = rate_period(terms(money), [usage("units", 10)]).lines[0]

    assert [] == [s for s in sentences([*units.steps, *line.steps]) if "blocked" in s]


def test_a_limit_is_for_a_whole_period() -> None:
    """Half a period sells half as much on demand."""
    money = charged(Dynamic(), pools=(pool(measure="amount"),), on_demand_limit=Fraction(10))

    line = rate_period(terms(money, period=HALF), [usage("units", 9)]).lines[0]

    assert fractions(5, 4) == (line.amount, line.blocked)


def test_pools_of_seats_cannot_be_moved() -> None:
    """Two seats with 20 each: 25 and 5 are 5 above, though 40 were included."""
    seats = pool(included_per_seat={"standard": Fraction(20)}, scope="per_seat")
    holders = tuple(
        UsageOfSeat(name, "standard", "a", "m", "units", "p", date(2023, 11, 16), Fraction(n))
        for name, n in (("ann", 25), ("bob", 5))
    )
    plan = terms(charged(CENT, pools=(seats,)), seats=Seats({"standard": 2}))

    line = rate_period(plan, [usage("units", 30)], Readings(usage_of_seats=holders)).lines[0]

    assert fractions(25, "0.05") == (line.pools[0].used, line.amount)


def test_people_without_a_seat_have_no_pool() -> None:
    """One seat and two people: only one of them, who used most, holds it."""
    seats = pool(included_per_seat={"": Fraction(20)}, scope="per_seat")
    holders = tuple(
        UsageOfSeat(name, "", "a", "m", "units", "p", date(2023, 11, 16), Fraction(units))
        for name, units in (("ann", 5), ("bob", 15))
    )
    plan = terms(charged(CENT, pools=(seats,)), seats=1)

    line = rate_period(plan, [usage("units", 20)], Readings(usage_of_seats=holders)).lines[0]

    assert 15 == line.pools[0].used


def test_charges_share_a_pool_in_the_order_of_the_plan() -> None:
    """What the first charge leaves is there for the second."""
    shared = pool(included=Fraction(100))
    charges = [charged(CENT, kind, key=kind, pools=(shared,)) for kind in ("a", "b")]

    first, second = rate_period(terms(*charges), [usage("a", 70), usage("b", 70)]).lines

    assert [fractions(70, 30), fractions(30, 0)] == [
        (use.used, use.remaining) for use in (*first.pools, *second.pools)
    ]
    assert fractions(0, "0.4") == (first.amount, second.amount)


@pytest.mark.parametrize(("used", "amount", "blocked"), [(15, 0, 0), (35, 15, 0), (60, 30, 10)])
def test_money_is_included_at_its_list_price(used: int, amount: int, blocked: int) -> None:
    """20 are included, 30 more are sold on demand, the rest is blocked."""
    charge = charged(
        Dynamic(),
        pools=(pool(measure="amount", included=Fraction(20)),),
        on_demand_limit=Fraction(30),
    )

    line = rate_period(terms(charge), [usage("units", used)]).lines[0]

    assert fractions(amount, blocked) == (line.amount, line.blocked)


def test_a_pool_of_money_covers_prices_by_row() -> None:
    """Whatever the usage costs each, the pool holds its sum; a promotion only its days'."""
    matrix = Matrix((Cell(Fraction(1), kinds=("a",)), Cell(Fraction(3), kinds=("b",))))
    promotion = pool(measure="amount", included=Fraction(50), ends_on=date(2023, 11, 10))
    rows = [
        usage("a", 10, usage_day=date(2023, 11, 10)),
        usage("b", 10, usage_day=date(2023, 11, 11)),
    ]

    line = rate_period(terms(charged(matrix, "*", pools=(promotion,))), rows).lines[0]

    assert fractions(10, 30) == (line.pools[0].used, line.amount)


@given(
    st.lists(
        st.tuples(st.integers(1, 30), st.integers(-50, 100)),
        max_size=8,
        unique_by=lambda item: item[0],
    ),
    st.integers(0, 200),
    st.integers(0, 200),
)
def test_pools_never_give_more_than_they_hold_or_than_was_used(
    days: list[tuple[int, int]], base: int, promotion: int
) -> None:
    """Also with corrections below zero, and a promotion that ends within the period."""
    pools = (
        pool("promotion", included=Fraction(promotion), ends_on=date(2023, 11, 15)),
        pool("base", included=Fraction(base)),
    )
    rows = [usage("units", n, usage_day=date(2023, 11, day)) for day, n in days]

    lines = rate_period(terms(charged(CENT, pools=pools)), rows).lines

    for line in lines:
        taken = sum((use.used for use in line.pools), Fraction(0))
        assert all(0 <= use.used <= use.included for use in line.pools)
        assert taken <= max(line.quantity, Fraction(0))
        assert line.amount == (line.quantity - taken) / 100


def test_a_shared_pool_for_seats_would_be_caught() -> None:
    """Were the pool of each seat shared, 25 and 5 would be within 40."""
    shared = pool(included_per_seat={"": Fraction(20)})

    assert 30 == rate(shared, used=30, seats=Seats.of(2)).pools[0].used


@pytest.mark.parametrize(
    "values",
    [
        {"scope": "per_seat", "measure": "amount"},
        {"scope": "per_seat", "included": Fraction(1)},
        {"included": Fraction(-1)},
    ],
)
def test_bad_pools_cannot_be_constructed(values: dict[str, Any]) -> None:
    """A pool of each seat is a quantity of each seat, and no pool is below zero."""
    with pytest.raises(ValueError, match="pool"):
        pool(**values)
