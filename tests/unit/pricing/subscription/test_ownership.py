"""Which of a tenant's subscriptions rates a row of usage."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.plan import Plan
from services.pricing.domain.subscription.ownership import Holder, common_claims, owner_of
from tests.support.pricing_values import charged, plan, usage

UNITS = plan(charged(PerUnit(Fraction(1)), "units", key="units"))
SEARCHES = plan(charged(PerUnit(Fraction(1)), "searches", key="searches"))


def holder(name: str, sold: Plan | None, first: int = 1, last: int | None = None) -> Holder:
    ends = None if last is None else date(2023, 11, last)
    return Holder(name, date(2023, 11, first), ends, lambda _day: sold)


def owner(kind: str, day: int, *holders: Holder) -> str:
    return owner_of(usage(kind, 1, usage_day=date(2023, 11, day)), holders)


def test_the_one_that_claims_it() -> None:
    """Whoever has a charge for it, whatever the order."""
    both = (holder("a", UNITS), holder("b", SEARCHES))

    assert ["a", "b"] == [owner(kind, 5, *both) for kind in ("units", "searches")]
    assert ["a", "b"] == [owner(kind, 5, *both[::-1]) for kind in ("units", "searches")]


def test_what_none_claims_is_the_firsts() -> None:
    """The one that began first, then the first by id; one without a plan claims nothing."""
    late, early = holder("a", UNITS, first=3), holder("b", None)

    assert "b" == owner("other", 5, late, early)
    assert "a" == owner("other", 5, holder("b", None), holder("a", None))


def test_only_those_that_hold_the_day() -> None:
    """A claim does not reach before the first or beyond the last day."""
    ended, running = holder("a", UNITS, last=10), holder("b", SEARCHES)

    assert ["a", "b"] == [owner("units", day, ended, running) for day in (10, 11)]


def test_a_day_that_none_holds() -> None:
    """The next to begin has it, else the last that did."""
    both = (holder("a", UNITS, 5, 10), holder("b", UNITS, 20, 25))

    assert ["a", "b", "b"] == [owner("units", day, *both) for day in (1, 15, 28)]


def test_the_first_day_is_held() -> None:
    """Whoever begins on a day may claim its usage."""
    assert "a" == owner("units", 5, holder("a", UNITS, first=5), holder("b", SEARCHES))


def test_the_plan_of_the_day_claims() -> None:
    """A subscription that sold something until the 15th has what was used of it until then."""
    changed = replace(
        holder("b", None), plan_on=lambda day: SEARCHES if day < date(2023, 11, 16) else UNITS
    )
    always = holder("a", UNITS)

    assert ["b", "a"] == [owner("searches", day, always, changed) for day in (15, 16)]


def test_one_that_was_cancelled_on_its_first_day_does_not_begin() -> None:
    """It holds no day: its usage belongs to the next that does."""
    assert "b" == owner("units", 5, holder("a", UNITS, 5, 4), holder("b", UNITS, 20))


HOLDERS = st.lists(
    st.tuples(
        st.sampled_from([UNITS, SEARCHES, None]),
        st.integers(1, 20),
        st.none() | st.integers(20, 30),
    ),
    min_size=1,
    max_size=4,
)


@given(HOLDERS, st.sampled_from(["units", "searches", "other"]), st.integers(1, 30))
def test_every_row_has_exactly_one(
    drawn: list[tuple[Plan | None, int, int | None]], kind: str, day: int
) -> None:
    """In whatever order they are asked, all agree who rates a row."""
    holders = [holder(str(n), *values) for n, values in enumerate(drawn)]

    assert owner(kind, day, *holders) == owner(kind, day, *holders[::-1])


def test_plans_that_meet() -> None:
    """The charges of both that could claim the same usage are named."""
    assert [] == common_claims(UNITS, SEARCHES)
    assert [("units", "units")] == common_claims(UNITS, UNITS)
