"""What holds on which day of a subscription, and a period as stretches of it."""

from dataclasses import replace
from datetime import date

import pytest

from services.pricing.domain.periods import Cycle, Period
from services.pricing.domain.seats import ANY_CLASS, SeatChange
from services.pricing.domain.subscription.changes import (
    Cancel,
    Change,
    ChoosePlan,
    Event,
    Pause,
    Resume,
    SetOverrides,
    SetSeats,
    Withdraw,
)
from services.pricing.domain.subscription.terms import Override, Terms
from services.pricing.domain.subscription.timeline import Timeline
from tests.support.pricing_values import NOVEMBER

TEAM = Terms("demo", "team")
DISCOUNT = (Override("charge", "input", {"discount_percent": "10"}),)


def day(number: int) -> date:
    return date(2023, 11, number)


def changed(*events: tuple[date, Event], **values: object) -> Timeline:
    """Return a subscription from 1 November on, with changes as they were made."""
    changes = tuple(
        Change(f"c{number}", number, on, event)
        for number, (on, event) in enumerate(events, start=1)
    )
    told = Timeline(day(1), Cycle(1), TEAM, seats=5, changes=changes)
    return replace(told, **values)  # type: ignore[arg-type]


def cut(told: Timeline, period: Period = NOVEMBER) -> list[tuple[date, date, str, str]]:
    """Return (start, end, plan, charged) of each stretch."""
    return [(s.period.start, s.period.end, s.terms.plan, s.charged) for s in told.stretches(period)]


def test_without_changes_a_period_is_one_stretch() -> None:
    """The period itself, with the seats of the subscription."""
    (stretch,) = changed().stretches(NOVEMBER)

    assert (NOVEMBER, TEAM, "all") == (stretch.period, stretch.terms, stretch.charged)
    assert ({ANY_CLASS: 5}, ()) == (stretch.seats.initial, stretch.seats.changes)


def test_an_upgrade_splits_the_period_on_its_day() -> None:
    """The old plan up to the day before, the new one from 00:00 of the day on, for good."""
    told = changed((day(16), ChoosePlan("demo", "business")))

    december = Period(date(2023, 12, 1), date(2024, 1, 1), 31)
    assert [
        (day(1), day(16), "team", "all"),
        (day(16), date(2023, 12, 1), "business", "all"),
    ] == cut(told)
    assert ["business"] == [stretch.terms.plan for stretch in told.stretches(december)]


def test_a_change_at_the_start_of_a_period_splits_nothing() -> None:
    """A downgrade at the period's end is a whole period at the new plan."""
    told = changed((day(1), ChoosePlan("demo", "basic")))

    assert [(day(1), date(2023, 12, 1), "basic", "all")] == cut(told)


def test_the_version_is_that_of_the_start_or_of_the_day_of_choice() -> None:
    """A period keeps its version, but for the part that begins with a chosen plan."""
    told = changed((day(16), ChoosePlan("demo", "team")), (day(20), SetOverrides(DISCOUNT)))

    assert [day(1), day(16), day(16)] == [s.version_on for s in told.stretches(NOVEMBER)]


def test_overrides_hold_from_their_day_on_over_every_plan() -> None:
    """A plan that is chosen later keeps what was agreed with the tenant; an empty list ends it."""
    told = changed(
        (day(10), SetOverrides(DISCOUNT)),
        (day(16), ChoosePlan("demo", "business")),
        (day(20), SetOverrides(())),
    )

    assert [(), DISCOUNT, DISCOUNT, ()] == [s.terms.overrides for s in told.stretches(NOVEMBER)]


def test_of_two_changes_on_one_day_the_later_made_stands() -> None:
    """What is said last about a day counts, in whatever order days come."""
    told = changed(
        (day(16), ChoosePlan("demo", "a")),
        (day(16), ChoosePlan("demo", "b")),
        (day(10), ChoosePlan("demo", "c")),
    )

    assert ["team", "c", "b"] == [stretch.terms.plan for stretch in told.stretches(NOVEMBER)]


def test_a_trial_is_the_first_days() -> None:
    """Fourteen days for nothing, then the plan."""
    told = changed(trial_days=14)

    assert [
        (day(1), day(15), "team", "nothing"),
        (day(15), date(2023, 12, 1), "team", "all"),
    ] == cut(told)


def test_paused_days_are_not_due() -> None:
    """From the day of the pause to the day before it ends; twice paused is paused."""
    told = changed((day(10), Pause()), (day(12), Pause()), (day(20), Resume()))

    assert [
        (day(1), day(10), "team", "all"),
        (day(10), day(20), "team", "usage"),
        (day(20), date(2023, 12, 1), "team", "all"),
    ] == cut(told)
    assert [9, 0, 11] == [s.period.share * 30 for s in told.stretches(NOVEMBER)]


def test_a_cancelled_subscription_ends_the_day_before() -> None:
    """The day of effect is the first one without it; the first end of all counts."""
    told = changed((day(16), Cancel()), (day(20), Cancel()), ends_on=date(2023, 12, 31))

    assert day(15) == told.last_day
    assert Period(day(1), day(16), 30) == told.period_from(day(1))
    assert told.period_from(day(16)) is None


def test_the_last_day_of_the_terms_counts_without_a_cancellation() -> None:
    """A subscription to the end of the year ends there."""
    assert date(2023, 12, 31) == changed(ends_on=date(2023, 12, 31)).last_day
    assert changed().last_day is None


def test_a_withdrawn_change_never_happens() -> None:
    """A cancellation may be taken back, and the taking back as well."""
    cancelled = ((day(16), Cancel()), (day(2), Withdraw("c1")))

    assert changed(*cancelled).last_day is None
    assert day(15) == changed(*cancelled, (day(2), Withdraw("c2"))).last_day


def test_seats_over_time() -> None:
    """Added seats pay from their day; removed ones to the end, so one that comes back adds none."""
    told = changed(
        (day(10), SetSeats(3)),
        (day(16), SetSeats(5)),
        (day(20), SetSeats(6)),
        (day(20), SetSeats(7)),
        (day(25), SetSeats(1)),
    )

    (stretch,) = told.stretches(NOVEMBER)
    december = Period(date(2023, 12, 1), date(2024, 1, 1), 31)
    assert (
        SeatChange(day(10), -2),
        SeatChange(day(20), 2),
        SeatChange(day(25), -6),
    ) == stretch.seats.changes
    assert [{ANY_CLASS: 1}] == [s.seats.initial for s in told.stretches(december)]


def test_seats_that_were_removed_before_a_split_are_still_paid_after_it() -> None:
    """A split does not shorten the period that removed seats are paid for."""
    told = changed((day(10), SetSeats(3)), (day(16), ChoosePlan("demo", "business")))

    assert [5, 5] == [s.seats.count(ANY_CLASS) for s in told.stretches(NOVEMBER)]


def test_seats_of_a_trial_or_a_pause_are_not_kept() -> None:
    """Seats that were removed on days that are not due have nothing to be paid to the end."""
    told = changed((day(10), SetSeats(3)), trial_days=14)

    assert [5, 3] == [s.seats.count(ANY_CLASS) for s in told.stretches(NOVEMBER)]


@pytest.mark.parametrize(
    ("before", "within", "comes_to"),
    [
        # Removed in the pause: not kept.
        ((), (3,), 3),
        # Removed before it: paid to the end, pause or not.
        ((3,), (), 5),
        # Of two that went before the pause and one that goes in it, the two are kept.
        ((3,), (2,), 4),
        # Those that come in the pause and stay are paid from its end on; those that go again, not.
        ((), (7,), 7),
        ((), (7, 5), 5),
        ((3,), (4,), 5),
    ],
)
def test_seats_that_are_removed_in_a_pause(
    before: tuple[int, ...], within: tuple[int, ...], comes_to: int
) -> None:
    """What is due after a pause are the seats that were kept before it, less those it removed."""
    told = changed(
        *((day(2 + n), SetSeats(count)) for n, count in enumerate(before)),
        (day(10), Pause()),
        *((day(10 + n), SetSeats(count)) for n, count in enumerate(within)),
        (day(20), Resume()),
    )

    assert comes_to == told.stretches(NOVEMBER)[-1].seats.initial[ANY_CLASS]


def test_seats_by_class() -> None:
    """Classes are counted apart."""
    told = changed((day(1), SetSeats(2, "admin")), (day(16), SetSeats(4, "admin")))

    (stretch,) = told.stretches(NOVEMBER)
    assert {ANY_CLASS: 5, "admin": 2} == stretch.seats.initial
    assert (SeatChange(day(16), 2, "admin"),) == stretch.seats.changes


def test_anchors_clamp_to_the_end_of_short_months() -> None:
    """Of a subscription from 31 January: February ends on its last day, March on the 31st again."""
    told = Timeline(date(2024, 1, 31), Cycle(31), TEAM)
    starts = [date(2024, 1, 31)]
    while len(starts) < 4:
        period = told.period_from(starts[-1])
        assert period is not None
        starts.append(period.end)

    assert [date(2024, 1, 31), date(2024, 2, 29), date(2024, 3, 31), date(2024, 4, 30)] == starts


def test_what_prices_a_day() -> None:
    """The terms of a day, and the start of its period or the later day of choice."""
    told = changed((day(16), ChoosePlan("other", "business")))

    assert (TEAM, day(1)) == told.priced_on(day(10))
    assert (Terms("other", "business"), day(16)) == told.priced_on(day(20))
    assert (Terms("other", "business"), date(2023, 12, 1)) == told.priced_on(date(2023, 12, 5))
    assert {"demo", "other"} == told.books


def test_seats_are_counted_from_zero() -> None:
    """A count below that cannot be made."""
    with pytest.raises(ValueError, match="from 0"):
        SetSeats(-1)
