"""What holds on which day of a subscription, and a period as stretches of it."""

from datetime import date

import pytest

from services.pricing.domain.periods import Cycle, Period
from services.pricing.domain.seats import ANY_CLASS
from services.pricing.domain.subscription.changes import (
    Cancel,
    ChoosePlan,
    Pause,
    Resume,
    SetOverrides,
    Withdraw,
)
from services.pricing.domain.subscription.terms import Override, Terms
from services.pricing.domain.subscription.timeline import Timeline
from tests.support.pricing_values import NOVEMBER
from tests.support.subscription_values import TEAM, changed, day

DECEMBER = Period(date(2023, 12, 1), date(2024, 1, 1), 31)
DISCOUNT = (Override("charge", "input", {"discount_percent": "10"}),)


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


def test_what_holds_from_the_next_period_on_cuts_nothing() -> None:
    """A plan that is chosen for 1 December leaves November as it is."""
    told = changed((DECEMBER.start, ChoosePlan("demo", "business")))

    assert [(day(1), DECEMBER.start, "team", "all")] == cut(told)
    assert [(DECEMBER.start, DECEMBER.end, "business", "all")] == cut(told, DECEMBER)


@pytest.mark.parametrize("stays", [True, False])
def test_a_choice_says_whether_its_version_is_stayed_on(stays: bool) -> None:
    """Or only until a later version is in force."""
    told = changed((day(16), ChoosePlan("demo", "team", 3, stays)))

    assert Terms("demo", "team", 3, stays=stays) == told.on(day(16)).terms


@pytest.mark.parametrize(
    ("values", "ahead"),
    [
        ({}, DECEMBER),
        ({"trial_days": 29}, DECEMBER),
        ({"trial_days": 30}, None),
        ({"ends_on": day(30)}, None),
    ],
)
def test_fees_in_advance_are_those_of_the_next_period(
    values: dict[str, object], ahead: Period | None
) -> None:
    """None after the last one; the first that is not free is on the opening statement."""
    assert ahead == changed(**values).period_ahead(NOVEMBER)
