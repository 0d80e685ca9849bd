"""What each person brings in sums to what the tenant does."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.seats import Seats
from services.pricing.domain.simulation.persons import (
    People,
    Revenue,
    minor_units_by_person,
    revenue_by_person,
)
from shared.currencies import CURRENCIES
from shared.money import round_to_minor_units
from tests.support.pricing_values import NOVEMBER, charged, usage

USD = CURRENCIES["USD"]
MODEL = "claude-sonnet-4-6"
KINDS = ("input_uncached", "output_text")


def test_fees_are_shared_and_usage_is_followed() -> None:
    """A fee of 60 over three seats is 20 each; 30 of usage go 2 : 1 to those who used it."""
    revenue = Revenue({(MODEL, "output_text"): {1: 30}}, fixed={1: 60})
    used = {
        ("ann", MODEL, "output_text"): Fraction(200),
        ("bob", MODEL, "output_text"): Fraction(100),
    }

    amounts, nobody = revenue_by_person(revenue, People(used, seats=3))

    assert [Fraction(40), Fraction(30), Fraction(20)] == amounts.numbers
    assert 0 == nobody


def test_a_maximum_lowers_what_each_brings_in() -> None:
    """Usage of 90 and 10 and a fee of 20 for two are 120: capped at 60, each is half of it."""
    tokens = charged(PerUnit(Fraction(1)), *KINDS, key="tokens")
    plan = Plan("p", "P", (charged(Flat(Fraction(20)), key="fee"), tokens), maximum=Fraction(60))
    used = {
        ("ann", MODEL, "output_text"): Fraction(90),
        ("bob", MODEL, "output_text"): Fraction(10),
    }
    rows = [usage("output_text", 100)]
    rated = rate_period(RatingTerms("h", plan, USD, Seats.of(0), NOVEMBER), rows)
    revenue = Revenue()
    revenue.add(rated.lines)

    amounts, nobody = revenue_by_person(revenue, People(used))

    assert ([Fraction(50), Fraction(10)], Fraction(0)) == (amounts.numbers, nobody)


def test_usage_of_nobody_is_nobodys() -> None:
    """A third was used without a name, and another model by nobody who is known."""
    revenue = Revenue({(MODEL, "output_text"): {1: 30}, ("other", "images"): {2: 10}})
    used = {("ann", MODEL, "output_text"): Fraction(200), ("", MODEL, "output_text"): Fraction(100)}

    amounts, nobody = revenue_by_person(revenue, People(used))

    assert ([Fraction(20)], Fraction(15)) == (amounts.numbers, nobody)


def test_without_people_all_is_nobodys() -> None:
    """Revenue is not lost where no person is known."""
    revenue = Revenue({}, fixed={1: 7})

    amounts, nobody = revenue_by_person(revenue, People({}))

    assert not amounts.numbers
    assert 7 == nobody


QUANTITIES = st.dictionaries(
    st.tuples(st.sampled_from(["", "ann", "bob", "cy"]), st.just(MODEL), st.sampled_from(KINDS)),
    st.integers(-3, 10**9).map(Fraction),
    max_size=8,
)


CAPS = st.none() | st.integers(0, 10**6).map(Fraction)


@given(QUANTITIES, st.integers(0, 6), st.tuples(st.integers(0, 10**6), st.integers(0, 10**4)), CAPS)
def test_people_sum_to_the_statement(
    used: dict[tuple[str, str, str], Fraction],
    seats: int,
    prices: tuple[int, int],
    maximum: Fraction | None,
) -> None:
    """Whatever was used by whom: people and nobody sum to the statement, exactly and in cents."""
    fee, price = prices
    charges = (
        charged(Flat(Fraction(fee, 100)), key="fee"),
        charged(PerUnit(Fraction(price, 7)), *KINDS, key="tokens"),
    )
    plan = Plan("p", "P", charges, maximum=maximum)
    rows = [usage(kind, quantity) for (_, _, kind), quantity in used.items()]
    rated = rate_period(RatingTerms("h", plan, USD, Seats.of(seats), NOVEMBER), rows)
    revenue, people = Revenue(), People(used, seats)
    revenue.add(rated.lines)

    amounts, nobody = revenue_by_person(revenue, people)
    units, rest = minor_units_by_person(revenue, people, USD)

    assert rated.total == revenue.total == amounts.total + nobody
    assert round_to_minor_units(rated.total, USD) == sum(units) + rest
    assert len(amounts.numbers) == len(units) == people.count
