"""Who pays more, and how tenants move without a shock."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.simulation.migration import Bounds, Guard, Moved, bounds_of
from services.pricing.domain.simulation.outcomes import Group, Outcome, Sum
from shared.currencies import CURRENCIES

USD, JPY = CURRENCIES["USD"], CURRENCIES["JPY"]


def fractions(*numbers: int) -> list[Fraction]:
    return [Fraction(number) for number in numbers]


MONEY = st.fractions(0, 10**6, max_denominator=1_000)


def test_three_tenants_by_hand() -> None:
    """One pays 30 more, one 10 less, one the same: 20 more in all, a margin of 120 - 45."""
    outcomes = [
        Outcome("a", Fraction(80), Fraction(50), cost=Fraction(30)),
        Outcome("b", Fraction(30), Fraction(40), cost=Fraction(15)),
        Outcome("c", Fraction(10), Fraction(10)),
    ]
    total = Sum.of(outcomes)

    assert fractions(120, 100, 20) == [total.revenue, total.today, total.change]
    assert (Group(1, Fraction(30)), Group(1, Fraction(-10))) == (total.pays_more, total.pays_less)
    assert 1 == total.unchanged
    assert 75 == total.margin.amount
    assert Fraction(75, 120) == total.margin.share


def test_an_unknown_cost_leaves_the_margin_unknown() -> None:
    """One tenant with unpriced usage is enough: a margin is never too good by silence."""
    outcomes = [Outcome("a", Fraction(8), Fraction(5), complete=False)]

    assert None is Sum.of(outcomes).margin.amount


@given(st.lists(st.tuples(MONEY, MONEY), max_size=20))
def test_winners_and_losers_sum_to_the_change(bills: list[tuple[Fraction, Fraction]]) -> None:
    """What some pay more and others less is the change; everybody is in one of three groups."""
    total = Sum.of([Outcome(str(n), *bill) for n, bill in enumerate(bills)])

    assert total.change == total.pays_more.change + total.pays_less.change
    assert len(bills) == total.pays_more.tenants + total.pays_less.tenants + total.unchanged


def test_a_cap_by_hand() -> None:
    """100 a month on average, at most 10 % more: of bills of 90, 105 and 130 twenty are forgone."""
    guard = Guard(Fraction(10), periods=3)
    bills = [Fraction(n) for n in (70, 90, 105, 130)]
    moved = Moved.of("a", Fraction(400), bills, guard=guard, currency=USD)

    assert Bounds(Fraction(110)) == moved.bounds
    assert fractions(90, 105, 110) == list(moved.charged)
    assert fractions(20, 0) == [moved.forgone, moved.kept]
    assert "capped" == moved.cohort


def test_a_floor_by_hand() -> None:
    """At most 20 % less: of a bill of 70 another ten are kept."""
    guard = Guard(Fraction(10), periods=1, fall=Fraction(20))
    moved = Moved.of("a", Fraction(100), [Fraction(70)], guard=guard, currency=USD)

    assert Bounds(Fraction(110), Fraction(80)) == moved.bounds
    assert 10 == moved.kept
    assert "pays_less" == moved.cohort


def test_bounds_are_minor_units_within_the_promise() -> None:
    """A third of 100 and a tenth more is 36.66, not 36.67; in yen 36."""
    third, guard = Fraction(100, 3), Guard(Fraction(10), periods=1)

    assert Fraction(3666, 100) == bounds_of(third, guard, USD).most
    assert 36 == bounds_of(third, guard, JPY).most
    assert Bounds() == bounds_of(Fraction(0), guard, USD)


def test_senseless_guards_cannot_be_made() -> None:
    """No negative rise, no fall beyond everything, no promise for no period."""
    for wrong in ((Fraction(-1), 1), (Fraction(1), 0), (Fraction(1), 1, Fraction(101))):
        with pytest.raises(ValueError, match="a bill"):
            Guard(*wrong)


@given(st.lists(MONEY, min_size=1, max_size=12), MONEY, MONEY, st.integers(1, 12))
def test_no_bill_rises_by_more(
    bills: list[Fraction], paid: Fraction, rise: Fraction, periods: int
) -> None:
    """Whatever is used, no replayed bill is above the promise; money goes to nobody else."""
    guard = Guard(rise, periods)
    moved = Moved.of("a", paid, bills, guard=guard, currency=USD)

    promised = moved.average * (100 + rise) / 100
    assert all(bill <= promised for bill in moved.charged) or not paid
    assert sum(moved.bills) - moved.forgone + moved.kept == sum(moved.charged)
    assert ("capped" == moved.cohort) is (moved.forgone > 0)
