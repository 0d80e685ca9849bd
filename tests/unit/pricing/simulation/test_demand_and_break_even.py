"""Demand that answers to a price, and the usage at which a seat breaks even."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.simulation.break_even import (
    STEP,
    BreakEven,
    cost_break_even,
    price_break_even,
)
from services.pricing.domain.simulation.demand import demand_factor

HALF = Fraction(-1, 2)


def test_a_dearer_bill_lowers_usage() -> None:
    """At -0.5 a bill of 300 for 100 halves usage, one of 80 raises it by 10 %; some is left."""
    assert Fraction(1, 2) == demand_factor(HALF, before=Fraction(100), after=Fraction(300))
    assert Fraction(11, 10) == demand_factor(HALF, before=Fraction(100), after=Fraction(80))
    left = demand_factor(Fraction(-2), before=Fraction(100), after=Fraction(1100))
    # A twenty-first, to the nearest millionth.
    assert Fraction(47_619, 10**6) == left


def test_no_response_where_there_is_no_measure() -> None:
    """An elasticity of 0, and a bill of nothing before, leave usage as it was."""
    assert 1 == demand_factor(Fraction(0), before=Fraction(1), after=Fraction(9))
    assert 1 == demand_factor(HALF, before=Fraction(0), after=Fraction(9))
    with pytest.raises(ValueError, match="does not grow"):
        demand_factor(Fraction(1), before=Fraction(1), after=Fraction(1))


@given(
    st.fractions(-5, 0, max_denominator=100),
    st.fractions(1, 10**6, max_denominator=100),
    st.fractions(0, 10**6, max_denominator=100),
)
def test_demand_answers_the_other_way(
    elasticity: Fraction, before: Fraction, after: Fraction
) -> None:
    """Usage never rises with the bill, nor falls below nothing; the same bill changes none."""
    factor = demand_factor(elasticity, before=before, after=after)

    assert factor >= 0
    assert (factor - 1) * (after - before) <= 0
    assert 1 == demand_factor(elasticity, before=before, after=before)


def test_a_seat_against_its_cost() -> None:
    """A seat of 20 pays for four times a mean usage that costs 5; usage without cost, for any."""
    assert 4 == cost_break_even(Fraction(20), Fraction(5))
    assert None is cost_break_even(Fraction(20), Fraction(0))
    assert BreakEven(Fraction(4), Fraction(4_000)) == BreakEven.of(Fraction(4), Fraction(1_000))


def test_a_seat_against_usage() -> None:
    """20 a seat against 8 for the mean usage: 2.5 times as much; free usage never gets there."""
    seat = Fraction(20)

    assert Fraction(5, 2) == price_break_even(lambda _: seat, lambda m: 8 * m)
    assert None is price_break_even(lambda _: seat, lambda _: Fraction(0))
    assert 0 == price_break_even(lambda _: seat, lambda m: 30 + m)


def test_a_seat_with_overage() -> None:
    """20 and 2 above the mean usage, against 8 m: 8 m = 20 + 2 (m - 1) at m = 3."""
    assert 3 == price_break_even(lambda m: 20 + 2 * max(m - 1, Fraction(0)), lambda m: 8 * m)


@given(st.fractions(Fraction(1, 100), 500, max_denominator=100), st.integers(1, 500))
def test_the_multiple_is_the_least(price: Fraction, seat: int) -> None:
    """At the multiple usage costs as much as the seat, a step before it costs less."""
    multiple = price_break_even(lambda _: Fraction(seat), lambda m: price * m)

    assert multiple is not None
    assert price * multiple >= seat > price * (multiple - STEP)
