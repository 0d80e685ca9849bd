"""Bills that are alike are rated once: by the same terms for the same periods, and no others."""

from dataclasses import replace
from datetime import date

import pytest

from services.pricing.domain.periods import Cycle
from services.pricing.domain.subscription.ownership import Holder
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.timelines import SoldPlan, plan_of_content
from services.pricing.simulation.customers import Bill, all_alike, bill_by, periods_in, with_users
from tests.support.example_books import book_file

START, END = date(2023, 11, 1), date(2024, 2, 1)


def sold(plan: str = "teams", price_hash: str = "h") -> SoldPlan:
    content = book_file("cursor-teams").content
    found = plan_of_content(content, Terms("b", plan), price_version=1, price_hash=price_hash)
    assert found is not None
    return found


def bills(plan: SoldPlan, *, seats: int = 2, trial_days: int = 0, day: int = 1) -> list[Bill]:
    told = Timeline(START, Cycle(day), Terms("", ""), seats=seats, trial_days=trial_days)
    return [
        bill_by(period, told.stretches(period), plan) for period in periods_in(told, START, END)
    ]


def test_the_same_terms_are_alike() -> None:
    """Whoever read the plan: today's and a tried one of the same hash come to the same."""
    assert all_alike(bills(sold()), bills(sold()))


@pytest.mark.parametrize(
    "others",
    [
        bills(sold(price_hash="another")),
        bills(sold("enterprise")),
        bills(sold(), seats=3),
        bills(sold(), trial_days=5),
        bills(sold(), day=15),
        bills(sold())[1:],
        [
            replace(bill, holders=[Holder("s", START, None, lambda _: None)])
            for bill in bills(sold())
        ],
    ],
    ids=["version", "plan", "seats", "trial", "anchor", "fewer", "several subscriptions"],
)
def test_other_terms_are_not(others: list[Bill]) -> None:
    """What changes an amount makes bills differ, in either order."""
    assert not all_alike(bills(sold()), others)
    assert not all_alike(others, bills(sold()))


def test_users_stand_for_seats_where_there_are_none() -> None:
    """Seats that are paid for stay, unless users are to count in any case."""
    (bill, *_), (bare, *_) = bills(sold(), seats=2), bills(sold(), seats=0)

    def seats(counted: Bill) -> int:
        (part,) = counted.priced.parts
        return sum(part.seats.count(name) for name in part.seats.classes)

    assert (2, 7) == (
        seats(with_users(bill, 7, always=False)),
        seats(with_users(bill, 7, always=True)),
    )
    assert 7 == seats(with_users(bare, 7, always=False))
