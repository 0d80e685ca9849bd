"""Pools of each seat: who holds one on which days, and what that gives."""

from dataclasses import replace
from datetime import date
from fractions import Fraction
from itertools import pairwise

import pytest

from services.pricing.domain.charge import UsageFilter
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.conversion import Conversion, ConversionRate
from services.pricing.domain.periods import UnpaidPeriod
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import SeatChange, Seats
from services.pricing.domain.split import seat_holders
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.split.seat_holders import with_seat_holders
from tests.support.pricing_values import NOVEMBER, charged, claim, fractions, plan, sentences, usage

from .holding_seats import (
    DOLLAR,
    ONE_PREMIUM,
    SEATED,
    assigned,
    by,
    november,
    part_of,
    pool,
    pooled,
    rate,
    rows_of,
    split,
)


def test_an_assigned_user_keeps_the_seat_from_a_heavy_one() -> None:
    """Ann has it and uses 40 of 150; bob, who used 900, draws on nothing."""
    used = [by("ann", 40), by("bob", 900)]

    assert 900 == rate(pooled(), used, [assigned("ann", "premium")], seats=ONE_PREMIUM).total
    assert 790 == rate(pooled(), used, seats=ONE_PREMIUM).total


def test_a_rating_that_goes_by_use_alone_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Were the log not read, the heavy user would take the seat: 790, not 900."""
    monkeypatch.setattr(seat_holders, "holders_on", lambda _log, _day, _left: ({}, []))
    used = [by("ann", 40), by("bob", 900)]

    assert 790 == rate(pooled(), used, [assigned("ann", "premium")], seats=ONE_PREMIUM).total


def test_a_seat_is_held_by_days() -> None:
    """A third of 150 for ann and two thirds for bob: 60 - 50, and 60 within 100."""
    log = [assigned("ann", "premium", 1, 10), assigned("bob", "premium", 11)]
    used = [by("ann", 60, 5), by("bob", 60, 20)]

    (line,) = rate(pooled(), used, log, seats=ONE_PREMIUM).lines

    (use,) = line.pools
    assert fractions(10, 110, 40) == (line.amount, use.used, use.remaining)


@pytest.mark.parametrize(("second", "comes_to"), [(40, 0), (160, 60)])
def test_a_full_pool_is_given_once_whoever_holds_the_seat(second: int, comes_to: int) -> None:
    """Where a pool is `full`, each holder may use all of it, but one seat has no more than 150."""
    log = [assigned("ann", "premium", 1, 10), assigned("bob", "premium", 11)]
    used = [by("ann", 50, 5), by("bob", second, 20)]

    assert comes_to == rate(pooled(proration="full"), used, log, seats=ONE_PREMIUM).total


def test_usage_on_other_days_is_not_the_seats() -> None:
    """Ann held it up to the 10th; what she uses on the 20th is not included, bob's is."""
    log = [assigned("ann", "premium", 1, 10), assigned("bob", "premium", 11)]

    assert 60 == rate(pooled(), [by("ann", 60, 20)], log, seats=ONE_PREMIUM).total


def test_seats_that_are_left_go_to_those_who_used_most() -> None:
    """The largest pool to the heaviest: 400 - 150, 40 - 30, and 20 that nobody includes."""
    used = [by("light", 20), by("heavy", 400), by("middle", 40)]

    found = rate(pooled(), used, seats=Seats({"standard": 1, "premium": 1}))

    assert 250 + 10 + 20 == found.total


def test_most_use_is_that_of_all_pools_together() -> None:
    """Ann filled one pool twice, bob each of two: bob holds the seat of both charges."""
    sold = plan(pooled("a", key="a"), pooled("b", key="b"))
    used = [by("ann", 299, kind="a"), by("bob", 150, kind="a"), by("bob", 150, kind="b")]

    lines = rate(sold, used, seats=ONE_PREMIUM).lines

    assert {"a": 299, "b": 0} == {line.charge: line.amount for line in lines}


def test_of_equal_use_the_first_name_holds_the_seat() -> None:
    """So the same usage has the same holders, in whatever order it is read."""
    sold = plan(pooled("a", key="a"), pooled("b", key="b"))
    used = [by("bob", 200, kind="b"), by("ann", 200, kind="a")]

    both = [rate(sold, rows, seats=ONE_PREMIUM) for rows in (used, used[::-1])]

    assert [{"a": 50, "b": 200}] * 2 == [{n.charge: n.amount for n in r.lines} for r in both]
    assert both[0].input_hash == both[1].input_hash


def test_usage_of_nobody_in_particular_holds_no_seat() -> None:
    """Events that name no user are nobody's: the seat is left, and gives nothing."""
    assert 40 == rate(pooled(), [by("", 40)], seats=ONE_PREMIUM).total


def test_a_seat_that_came_later_has_its_days() -> None:
    """From the 16th on: half of 150 for who holds it, assigned or not."""
    seats = Seats({}, (SeatChange(november(16), 1, "premium"),))

    assert 25 == rate(pooled(), [by("ann", 100, 20)], seats=seats).total
    log = [assigned("ann", "premium", 16)]
    assert 25 == rate(pooled(), [by("ann", 100, 20)], log, seats=seats).total


def test_a_seat_that_is_left_goes_to_who_used_most_while_it_is() -> None:
    """Up to the 15th: ann used 90 by then, bob 900 afterwards, when it is carl's."""
    log = [assigned("carl", "premium", 16)]
    used = [by("ann", 90, 5), by("bob", 900, 20), by("carl", 75, 20)]

    assert 15 + 900 == rate(pooled(), used, log, seats=ONE_PREMIUM).total


def test_who_takes_a_seat_over_from_nobody_has_no_two() -> None:
    """Ann is assigned up to the 15th and takes what is left then: 150 in all, not 225."""
    log = [assigned("ann", "premium", 1, 15)]
    used = [by("ann", 200, 5), by("ann", 200, 25)]

    assert 250 == rate(pooled(), used, log, seats=ONE_PREMIUM).total
    assert 250 == rate(pooled(), used, log, seats=Seats({"premium": 1, "standard": 9})).total


def test_who_is_assigned_holds_that_seat_and_no_other() -> None:
    """Ann takes the premium seat that is left, up to the 10th: 50; then the standard one: 20."""
    log = [assigned("ann", "standard", 11)]
    used = [by("ann", 100, 5), by("ann", 100, 20)]

    found = rate(pooled(), used, log, seats=Seats({"standard": 1, "premium": 1}))

    assert 200 - 50 - 20 == found.total


def test_corrections_alone_take_no_seat() -> None:
    """Whoever used nothing in sum holds none, though one is left."""
    used = [by("ann", 3), by("bob", -5), by("carl", 5), by("carl", -5)]

    (line,) = rate(pooled(), used, seats=Seats({"premium": 3})).lines

    assert "seats held by ann (premium, 30 days)" == sentences(list(line.steps))[0]


def test_a_seat_that_is_left_in_a_pause_is_worth_nothing() -> None:
    """The premium seat is left on ten paused days; bob takes the standard one: 20 days of it."""
    days = [november(1), november(11), november(21), date(2023, 12, 1)]
    seats = Seats({"premium": 1, "standard": 1})
    parts = [
        Part(
            (UnpaidPeriod if start.day == 11 else type(NOVEMBER))(start, end, 30),
            plan(pooled()),
            *("book", "hash"),
            seats=seats,
            charged="usage" if start.day == 11 else "all",
        )
        for start, end in pairwise(days)
    ]
    log = [assigned("carl", "premium", 1, 10), assigned("carl", "premium", 21)]
    used = [by("bob", 10, 5), by("bob", 30, 15)]

    read = with_seat_holders(parts, log, used)

    assert 40 - 20 == rate_parts(SplitTerms(tuple(read), DOLLAR), rows_of(used)).total


def test_a_pool_that_ended_before_is_no_reason_to_prefer_a_seat() -> None:
    """A promotion of October for standard seats: the heavy user takes what premium includes."""
    old = pool("old", included_per_seat={"standard": Fraction(999)}, ends_on=date(2023, 10, 31))
    own = pool(included_per_seat={"premium": Fraction(150)})
    charge = charged(PerUnit(Fraction(1)), pools=(old, own))
    used = [by("heavy", 400), by("light", 20)]

    assert 250 + 20 == rate(charge, used, seats=Seats({"standard": 1, "premium": 1})).total


def test_a_class_that_includes_nothing_is_no_seat_of_a_pool() -> None:
    """Whoever is assigned to an admin's seat draws on nothing, and takes no other one."""
    seats = Seats({"premium": 1, "admin": 1})

    assert 99 == rate(pooled(), [by("ann", 99)], [assigned("ann", "admin")], seats=seats).total
    assert 0 == rate(pooled(), [by("ann", 99)], seats=seats).total


def test_a_promotion_counts_usage_up_to_its_last_day() -> None:
    """Of 40 up to the 10th all are included, of 40 afterwards none."""
    charge = pooled(ends_on=november(10))
    used = [by("ann", 40, 10), by("ann", 40, 11)]

    assert 40 == rate(charge, used, [assigned("ann", "premium")], seats=ONE_PREMIUM).total


def test_what_a_meter_counts_again_is_not_the_seats() -> None:
    """A pattern for every kind means no meter: 40 tokens are used, not 80."""
    used = [by("ann", 40), by("ann", 40, kind="meter:calls@1")]
    part = part_of(plan(pooled("*")), ONE_PREMIUM)
    (read,) = with_seat_holders([part], [], used)
    terms = RatingTerms("hash", part.plan, DOLLAR, part.seats, NOVEMBER)

    (line,) = rate_period(terms, [usage("units", 200)], read.readings).lines

    assert 40 == line.pools[0].used


def test_a_line_says_who_held_seats() -> None:
    """By name, class and days, those who were assigned to none as well; twenty of them at most."""
    log = [assigned("ann", "premium", 11)]
    many = [by(f"user-{n:02}", 10 + n) for n in range(25)]

    few = rate(pooled(), [by("ann", 5), by("bob", 5, 3)], log, seats=ONE_PREMIUM).lines[0]
    full = rate(pooled(), many, seats=Seats({"standard": 22})).lines[0]

    told = "seats held by ann (premium, 20 days), bob (premium, 10 days)"
    assert told in sentences(list(few.steps))
    (names,) = [text for text in sentences(list(full.steps)) if text.startswith("seats held")]
    assert names.endswith("user-22 (standard, 30 days) and 2 more")


def test_the_line_of_parts_says_it_once() -> None:
    """With the days of all parts together."""
    parts = with_seat_holders(split(plan(pooled()), SEATED, {16}), [], [by("ann", 5)])

    (line,) = rate_parts(SplitTerms(tuple(parts), DOLLAR), [usage("units", 5)]).lines

    assert ["seats held by ann (premium, 30 days)"] == [
        text for text in sentences(list(line.steps)) if text.startswith("seats held")
    ]


def test_use_is_measured_in_the_units_of_the_charge() -> None:
    """Ten thousand cheap tokens are less than a hundred dear ones."""
    rates = (
        ConversionRate(Fraction(1, 1000), models=("cheap",)),
        ConversionRate(Fraction(1), models=("dear",)),
    )
    conversion = Conversion("dollars", rates)
    charge = charged(PerUnit(Fraction(1)), pools=(pool(),), conversion=conversion)
    used = [by("ann", 10_000, model="cheap"), by("bob", 100, model="dear")]

    assert 10 == rate(charge, used, seats=ONE_PREMIUM).total


def test_a_filter_that_users_are_not_known_by_has_no_seats() -> None:
    """Service tiers are not known by user: such a charge cannot be made."""
    known = [claim("units", agent="a"), UsageFilter({"kind": frozenset("u")})]
    unknown = [
        claim("units", service_tier="batch"),
        UsageFilter({"kind": frozenset("u")}, {"status": frozenset({"aborted"})}),
    ]

    assert [True, True, False, False] == [one.known_by_user for one in (*known, *unknown)]
    with pytest.raises(ValueError, match="agent, model, kind, purpose only"):
        replace(pooled(), usage=unknown[0])


def test_in_a_trial_and_a_pause_seats_hold_nothing() -> None:
    """Ten days of a trial and ten of a pause: the rest of 30 days holds a third of 150."""
    days = [november(1), november(11), november(21), date(2023, 12, 1)]
    kinds = [(UnpaidPeriod, "nothing"), (UnpaidPeriod, "usage"), (type(NOVEMBER), "all")]
    parts = [
        Part(kind(start, end, 30), plan(pooled()), "book", "hash", ONE_PREMIUM, told)  # type: ignore[arg-type]
        for start, end, (kind, told) in zip(days, days[1:], kinds, strict=False)
    ]
    used = [by("ann", 500, 5), by("ann", 60, 15), by("ann", 60, 25)]

    read = with_seat_holders(parts, [assigned("ann", "premium")], used)

    assert 60 + 60 - 50 == rate_parts(SplitTerms(tuple(read), DOLLAR), rows_of(used)).total
    assert () == read[0].readings.usage_of_seats
    assert {("ann", "premium"): 10} == read[2].readings.seat_days
