"""Halves of November whose terms differ: what each half is bounded, included and told by."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.charge import Charge
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.commitment import Commitment
from services.pricing.domain.periods import Period, UnpaidPeriod
from services.pricing.domain.pools import Pool
from services.pricing.domain.readings import Readings, UsageOfSeat
from services.pricing.domain.seats import Seats
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.statement import Line
from services.pricing.domain.step import OVERRIDE, TRIAL
from tests.support.pricing_values import charged, claim, fractions, plan, usage
from tests.support.split_values import DOLLAR, SPLIT, part, rate, used

ONE, TEN = PerUnit(Fraction(1)), PerUnit(Fraction(10))


def pool(included: int, key: str = "p", **values: Any) -> Pool:
    return Pool(key, "Pool", values.pop("measure", "quantity"), Fraction(included), **values)


def halves(first: dict[str, Any], second: dict[str, Any], units: tuple[int, int]) -> Fraction:
    """Return what units at 1 in each half come to, with conditions of each half."""
    old, new = (plan(charged(ONE, **conditions)) for conditions in (first, second))
    return rate(old, new, used(*units)).total


@pytest.mark.parametrize(
    ("first", "second", "units", "comes_to"),
    [
        # Half of a commitment of 100 is due, for whichever half it was made.
        ({"commitment": Commitment(Fraction(100))}, {}, (8, 12), 50),
        ({}, {"commitment": Commitment(Fraction(100))}, (8, 12), 50),
        # A quarter off the 8 of the first half, a half off the 12 of the second.
        ({"discount_percent": Fraction(25)}, {}, (8, 12), 18),
        ({"discount_percent": Fraction(25)}, {"discount_percent": Fraction(50)}, (8, 12), 12),
        # A maximum bounds its own half, also where nothing was used.
        ({"maximum": Fraction(10)}, {}, (8, 12), 17),
        ({"maximum": Fraction(10)}, {}, (0, 0), 0),
        # Half of a limit of 14 is 7: the dollar above it is not billed, nor half a dollar.
        ({"on_demand_limit": Fraction(14)}, {}, (8, 12), 19),
        ({"on_demand_limit": Fraction(15)}, {}, (8, 12), Fraction(39, 2)),
        # A pool of 10 in one half alone holds 5.
        ({"pools": (pool(10),)}, {}, (8, 12), 15),
        ({}, {"pools": (pool(10),)}, (8, 12), 15),
        # One unit above a pool is blocked like more of them.
        ({"pools": (pool(14),), "overage": "block"}, {}, (8, 0), 0),
    ],
)
def test_a_condition_of_one_half_is_for_that_half(
    first: dict[str, Any], second: dict[str, Any], units: tuple[int, int], comes_to: Fraction
) -> None:
    """What is for a whole period is there by days; the other half goes without it."""
    assert comes_to == halves(first, second, units)


def test_each_agent_caused_what_its_half_charges() -> None:
    """Of units at 1 and at 10, whoever used them."""
    rows = [
        usage("units", quantity, agent=agent, usage_day=date(2023, 11, day))
        for quantity, agent, day in ((3, "a", 3), (5, "b", 3), (2, "a", 20))
    ]

    (line,) = rate(plan(charged(ONE)), plan(charged(TEN)), rows).lines

    assert ["a", "a", "b"] == [detail.agent for detail in line.details]
    assert [3, 20, 5] == [detail.amount for detail in line.details]


def test_the_day_of_the_split_is_of_the_new_version() -> None:
    """From 00:00 of that day on."""
    rows = [usage("units", 1, usage_day=day) for day in (date(2023, 11, 15), SPLIT)]

    (line,) = rate(plan(charged(ONE)), plan(charged(TEN)), rows).lines

    assert [1, 10] == [detail.amount for detail in line.details]


def test_a_promotion_is_used_up_by_the_half_that_it_is_for() -> None:
    """All 18 of the first half are included; the second pays, though the pool holds more."""
    conditions: dict[str, Any] = {"pools": (pool(30, ends_on=date(2023, 11, 12)),)}
    old, new = (plan(charged(price, **conditions)) for price in (ONE, TEN))

    assert 160 == rate(old, new, used(18, 16)).total


@pytest.mark.parametrize(("ends_on", "comes_to"), [("2023-11-03", 0), ("2023-11-02", 8)])
def test_the_last_day_of_a_promotion_is_in_it(ends_on: str, comes_to: int) -> None:
    """Also where the period begins with it."""
    ending = plan(charged(ONE, pools=(pool(30, ends_on=date.fromisoformat(ends_on)),)))
    first = plan(charged(ONE, pools=(pool(10, ends_on=date(2023, 11, 1)),)))

    assert comes_to == rate(ending, ending, used(8, 0)).total
    assert 2 == rate(first, first, [usage("units", 12, usage_day=date(2023, 11, 1))]).total


def seats_of(*used_by: tuple[str, int, int]) -> tuple[UsageOfSeat, ...]:
    return tuple(
        UsageOfSeat(seat, "", "a", "m", "units", "", date(2023, 11, day), Fraction(units))
        for seat, units, day in used_by
    )


def test_what_a_seat_uses_later_is_not_included_earlier() -> None:
    """Of 18 in the first half ann's 4 and ten of bob's 14 are included, whatever ann does then."""
    own = pool(0, included_per_seat={"": Fraction(10)}, scope="per_seat")
    read = seats_of(("ann", 4, 3), ("bob", 14, 3)), seats_of(("ann", 10, 20))
    parts = [
        replace(
            part(plan(charged(price, pools=(own,))), second=bool(second)),
            readings=Readings(usage_of_seats=read[second]),
        )
        for second, price in enumerate((ONE, TEN))
    ]

    # Ann has 6 left for her 10: 4 of them are paid for, at 10.
    assert 4 * 1 + 4 * 10 == rate_parts(SplitTerms(tuple(parts), DOLLAR), used(18, 10)).total


def test_pools_of_two_books_are_two_pools() -> None:
    """Of one key or not: each holds what its own half has of it, and says so."""
    pooled = plan(charged(ONE, pools=(pool(100),)))

    lines = rate(pooled, pooled, used(60, 60), book="other").lines

    assert [fractions(50, 50, 0)] * 2 == [
        (use.included, use.used, use.remaining) for line in lines for use in line.pools
    ]
    assert [10, 10] == [line.amount for line in lines]


def full(included: int, per_seat: int = 0) -> Charge:
    """Return units at 1 with a pool that is there in full, however short the period."""
    seats = {"": Fraction(per_seat)} if per_seat else {}
    return charged(ONE, pools=(pool(included, included_per_seat=seats, proration="full"),))


DAYS = (date(2023, 11, 11), SPLIT, date(2023, 12, 1))
"""A subscription from 11 November on: 5 days, then 15."""


@pytest.mark.parametrize(
    ("charges", "seats", "paused", "comes_to"),
    [
        # 5 of 20 days of 100, 15 of 20 days of 200.
        ((full(100), full(200)), (2, 2), None, 175),
        # A pause is not due: what is there is that of the other part.
        ((full(100), full(200)), (2, 2), 0, 200),
        ((full(100), full(200)), (2, 2), 1, 100),
        # Seats count as they are at the end of what is due.
        ((full(0, 10), full(0, 10)), (2, 4), None, 40),
        ((full(0, 10), full(0, 10)), (4, 2), 1, 40),
    ],
)
def test_a_pool_in_full_is_full_whatever_the_parts(
    charges: tuple[Charge, Charge], seats: tuple[int, int], paused: int | None, comes_to: int
) -> None:
    """Versions share it by the days that are due; all together it is one whole pool."""
    parts = tuple(
        Part(
            (UnpaidPeriod if place == paused else Period)(DAYS[place], DAYS[place + 1], 30),
            *(plan(charges[place]), "book", "hash", Seats.of(seats[place])),
            "usage" if place == paused else "all",
        )
        for place in range(2)
    )

    (line,) = rate_parts(SplitTerms(parts, DOLLAR), used(0, 500)).lines

    assert [comes_to] == [use.included for use in line.pools]
    assert 500 - comes_to == line.amount


def test_a_pause_all_month_includes_nothing() -> None:
    """Whatever is used is paid for, by as many seats as there are."""
    paused = Part(
        UnpaidPeriod(date(2023, 11, 1), date(2023, 12, 1), 30),
        *(plan(full(100, 10)), "book", "hash", Seats.of(2), "usage"),
    )

    assert 20 == rate_parts(SplitTerms((paused,), DOLLAR), used(8, 12)).total


def test_a_price_of_rows_and_one_of_the_sum_are_two_charges() -> None:
    """They count differently, so what one began the other cannot go on with."""
    cells = charged(Matrix((Cell(Fraction(2), kinds=("units",)),)))

    lines = rate(plan(charged(ONE)), plan(cells), used(8, 12)).lines

    assert {"per_unit": 8, "matrix": 24} == {line.model: line.amount for line in lines}


def test_a_meter_that_only_the_new_version_names_is_billed_from_then_on() -> None:
    """Before, it was nobody's and lost nothing."""
    calls = "meter:calls@1"
    rows = [row._replace(kind=calls) for row in used(8, 12)]
    named = plan(Charge("calls", "Calls", ONE, claim(calls)))

    rated = rate(plan(charged(ONE)), named, rows)

    assert {"calls": 12} == {line.charge: line.amount for line in rated.lines}
    assert () == rated.unrated


def overridden(told: str, *, second: bool) -> Part:
    sold = plan(charged(ONE), charged(Flat(Fraction(3)), key="fee"))
    return replace(part(sold, second=second), overridden={"c": ("ours: 1.00 USD", told)})


def test_what_was_agreed_is_said_first_and_once() -> None:
    """On the line of its charge, for both halves together."""
    parts = (overridden("a", second=False), overridden("b", second=True))

    usual, fee = rate_parts(SplitTerms(parts, DOLLAR), used(8, 12)).lines

    assert [(OVERRIDE, "ours: 1.00 USD"), (OVERRIDE, "a"), (OVERRIDE, "b")] == [
        (step.step, step.description) for step in usual.steps[:3]
    ]
    assert OVERRIDE not in {step.step for step in usual.steps[3:] + fee.steps}


def trial_of(*charges: Charge) -> tuple[Line, ...]:
    parts = (part(plan(*charges), second=False, charged="nothing"), part(plan(), second=True))
    rows = [
        usage("units", n, agent=a, usage_day=date(2023, 11, 3)) for n, a in ((8, "a"), (4, "b"))
    ]
    return rate_parts(SplitTerms(parts, DOLLAR), rows).lines


def test_a_trial_tells_who_used_what_for_nothing() -> None:
    """Its line is one like any other, with an amount of 0."""
    (line,) = trial_of(charged(ONE), charged(Flat(Fraction(300)), key="fee"))

    assert ("000-c", "per_unit", "units") == (line.line_key, line.model, line.unit)
    assert fractions(12, 0) == (line.quantity, line.amount)
    assert [TRIAL] == [step.step for step in line.steps]
    assert ["a", "b"] == [detail.agent for detail in line.details]
    assert [fractions(8, 0), fractions(4, 0)] == [(d.quantity, d.amount) for d in line.details]


def test_a_trial_without_usage_has_no_line() -> None:
    """Neither for the usage that did not come, nor for the fee."""
    assert () == trial_of(charged(ONE, "other"), charged(Flat(Fraction(300)), key="fee"))


def test_a_statement_keeps_its_hash() -> None:
    """Those that were issued carry it: rated again, the same terms and usage must give the same."""
    sold = plan(charged(ONE))
    agreed = replace(part(sold, second=True), overrides=[{"key": "c"}])
    terms = SplitTerms((part(sold, second=False, charged="usage"), agreed), DOLLAR)

    assert (
        "34300fc8f6f3e352e2f296c2de8216b281a76bfb449a0ba7829d8a465e70c40e"
        == rate_parts(terms, used(8, 12)).input_hash
    )
