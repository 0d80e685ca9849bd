"""Who holds seats, whatever is used: versions that are the same, and those who are assigned."""

from dataclasses import replace
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.plan import Plan
from services.pricing.domain.readings import UsageOfSeat
from services.pricing.domain.split import seat_holders
from services.pricing.domain.split.parts import SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.split.seat_holders import with_seat_holders
from services.pricing.domain.subscription.changes import Pause
from services.pricing.domain.subscription.changes import Resume as GoOn
from services.pricing.domain.subscription.holder_log import Assignment, holders_on, seats_on
from tests.support.pricing_values import plan

from .holding_seats import (
    DOLLAR,
    by,
    november,
    pooled,
    rate,
    rows_of,
    split,
)

DAYS = st.integers(1, 30)
USERS = st.sampled_from(["", "ann", "bob", "carl", "dora"])
KINDS = st.sampled_from(["a", "b", "x"])
USED = st.lists(st.builds(by, USERS, st.integers(-20, 300), DAYS, KINDS), max_size=8)
HELD = st.sampled_from(["standard", "premium", "admin", None])


@st.composite
def logs(draw: st.DrawFn) -> list[Assignment]:
    """Return a log with more assignments than seats, days before and after November included."""
    found = []
    for _ in range(draw(st.integers(0, 5))):
        first = draw(st.dates(date(2023, 10, 20), date(2023, 12, 5)))
        last = draw(st.none() | st.dates(first, date(2023, 12, 10)))
        user = draw(st.sampled_from(["ann", "bob", "carl"]))
        found.append(Assignment(user, draw(HELD), first, last))
    return found


SEATS = st.lists(
    st.tuples(DAYS, st.integers(0, 3), st.sampled_from(["standard", "premium"])), max_size=4
)
PLANS = st.builds(
    lambda one, other: plan(pooled("a", key="a", **one), pooled("b", key="b", **other)),
    *[
        st.fixed_dictionaries(
            {
                "proration": st.sampled_from(["by_days", "full"]),
                "ends_on": st.none() | DAYS.map(november),
            }
        )
        for _ in range(2)
    ],
)


@settings(max_examples=300, deadline=None)
@given(PLANS, SEATS, st.sets(DAYS, max_size=3), logs(), USED)
def test_the_same_version_again_changes_no_seat(
    sold: Plan,
    seats: list[tuple[int, int, str]],
    cuts: set[int],
    log: list[Assignment],
    used: list[UsageOfSeat],
) -> None:
    """However often a period is split, the same people hold the same seats for as many days."""
    (whole,) = split(sold, seats, set())
    in_one = rate(sold, used, log, seats=whole.seats)

    parts = with_seat_holders(split(sold, seats, cuts), log, used)

    assert in_one.total == rate_parts(SplitTerms(tuple(parts), DOLLAR), rows_of(used)).total
    for line in in_one.lines:
        assert all(0 <= use.used <= use.included for use in line.pools)


@settings(max_examples=200, deadline=None)
@given(SEATS, logs(), USED, st.booleans())
def test_nobody_else_moves_those_who_are_assigned(
    seats: list[tuple[int, int, str]], log: list[Assignment], used: list[UsageOfSeat], away: bool
) -> None:
    """Whatever a user uses whom nobody assigned: the others' days and usage stay theirs."""
    parts = split(plan(pooled("a", "b")), seats, set(), [Pause(), GoOn()] if away else ())
    heavy = [*used, *(by("zoe", 10**6, day, "a") for day in range(1, 31))]
    holding = {
        (user, day): held
        for part in parts
        for day in seat_holders._days_of(part)
        for user, held in holders_on(log, day, seats_on(part.seats, day))[0].items()
    }

    read = with_seat_holders(parts, log, heavy)

    kept = [(row, holding.get((row.seat, row.usage_day))) for row in heavy]
    for row, held in ((row, held) for row, held in kept if held is not None):
        due = [day for p in parts if p.period.due for day in seat_holders._days_of(p)]
        days = sum(holding.get((row.seat, day)) == held for day in due)
        assert any(replace(row, seat_class=held) in p.readings.usage_of_seats for p in read)
        assert days <= sum((p.readings.seat_days or {})[row.seat, held] for p in read)
