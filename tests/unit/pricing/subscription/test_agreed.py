"""Which versions of a book a tenant's own prices meet, by the timeline of the subscription."""

from datetime import date

import pytest

from services.pricing.domain.periods import Cycle
from services.pricing.domain.subscription.agreed import agreed_from
from services.pricing.domain.subscription.changes import (
    Cancel,
    Change,
    ChoosePlan,
    Event,
    SetOverrides,
    SetSeats,
    Withdraw,
)
from services.pricing.domain.subscription.terms import Override, Terms
from services.pricing.domain.subscription.timeline import Timeline

START = date(2024, 1, 1)
CHEAP = (Override("charge", "output", {"unit_amount": "1"}),)
CHEAPER = (Override("charge", "output", {"unit_amount": "0.5"}),)

Found = tuple[date, tuple[Override, ...], date, date | None]


def told(*events: tuple[date, Event]) -> list[Found]:
    changes = tuple(Change(str(n), n, day, event) for n, (day, event) in enumerate(events, 1))
    timeline = Timeline(START, Cycle(1), Terms("sold", "team"), changes=changes)
    return [
        (one.since, one.terms.overrides, one.first, one.last)
        for one in agreed_from(timeline, START)
    ]


def test_without_an_agreement_there_is_nothing() -> None:
    """Plans and seats alone are no agreement; nor is one that was ended or withdrawn."""
    day = date(2024, 1, 16)

    assert [] == told((day, SetSeats(3)), (day, ChoosePlan("sold", "business")))
    assert [] == told((day, SetOverrides(CHEAP)), (day, Withdraw("1")))


def test_an_agreement_meets_the_version_of_its_period_and_all_later_ones() -> None:
    """Set within January, it is priced by January's version first; it has no end."""
    assert [(date(2024, 1, 16), CHEAP, START, None)] == told(
        (date(2024, 1, 16), SetOverrides(CHEAP))
    )


def test_one_that_is_replaced_meets_versions_up_to_its_last_period() -> None:
    """On 15 March it is priced by the version of 1 March; the next one begins with that, too."""
    march = date(2024, 3, 1)

    assert [(START, CHEAP, START, march), (date(2024, 3, 16), CHEAPER, march, None)] == told(
        (START, SetOverrides(CHEAP)), (date(2024, 3, 16), SetOverrides(CHEAPER))
    )


def test_a_plan_that_is_chosen_within_a_period_has_the_version_of_that_day() -> None:
    """The agreement goes on, beside the version in force on the day of the choice."""
    chosen = date(2024, 1, 20)

    assert [(START, CHEAP, START, START), (START, CHEAP, chosen, None)] == told(
        (START, SetOverrides(CHEAP)), (chosen, ChoosePlan("sold", "business"))
    )


@pytest.mark.parametrize(
    ("cancelled", "last"),
    [(date(2024, 2, 1), START), (date(2024, 2, 2), date(2024, 2, 1))],
)
def test_nothing_is_met_after_the_end(cancelled: date, last: date) -> None:
    """A subscription that ends with January never meets February's version."""
    assert [(START, CHEAP, START, last)] == told(
        (START, SetOverrides(CHEAP)), (cancelled, Cancel())
    )


def test_billed_days_are_left_out() -> None:
    """What held before the first open day was checked by what it was billed with."""
    timeline = Timeline(
        START,
        Cycle(1),
        Terms("sold", "team"),
        changes=(
            Change("1", 1, START, SetOverrides(CHEAP)),
            Change("2", 2, date(2024, 2, 1), SetOverrides(())),
        ),
    )

    assert [] == list(agreed_from(timeline, date(2024, 2, 1)))


@pytest.mark.parametrize(
    ("version", "stays", "keeps"), [(None, True, False), (2, True, True), (2, False, False)]
)
def test_only_a_named_version_that_is_stayed_on_is_kept(
    version: int | None, stays: bool, keeps: bool
) -> None:
    """Later versions are met by everybody else."""
    changes = (
        Change("1", 1, START, ChoosePlan("sold", "team", version, stays)),
        Change("2", 2, START, SetOverrides(CHEAP)),
    )
    timeline = Timeline(START, Cycle(1), Terms("sold", "team"), changes=changes)

    assert [keeps] == [one.keeps_version for one in agreed_from(timeline, START)]
