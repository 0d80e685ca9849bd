"""Which charge claims which usage."""

from fractions import Fraction

import pytest

from services.pricing.domain.charge import Charge, UsageFilter
from services.pricing.domain.charges.matrix import Cell, Matrix
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.charges.surcharge import Surcharge
from services.pricing.domain.claims import Claims, intersects, overlapping
from services.pricing.domain.rating import rate_period
from tests.support.pricing_values import claim, terms, usage


@pytest.mark.parametrize(
    ("usage_filter", "claimed"),
    [
        (claim("input_uncached"), True),
        (claim("output_text"), False),
        (claim("input_uncached", "output_text"), True),
        (claim("input_uncached", model="claude-sonnet-4-6"), True),
        (claim("input_uncached", model="gpt-5"), False),
        (claim("input_uncached", provider="anthropic", batch="true"), False),
    ],
)
def test_every_named_dimension_must_hold(usage_filter: UsageFilter, claimed: bool) -> None:
    """A row is claimed if it has one of the values in each dimension that is named."""
    claims = Claims([Charge("c", "C", PerUnit(Fraction(1)), usage_filter)])

    assert (0 if claimed else None) == claims.positions_of(usage("input_uncached", 1))[0]


@pytest.mark.parametrize(
    ("one", "other", "meet"),
    [
        (claim("a"), claim("a"), True),
        (claim("a"), claim("b"), False),
        (claim("a", model="m"), claim("a"), True),
        (claim("a", model="m"), claim("a", model="n"), False),
        (claim("a", model="m"), claim("a", agent="x"), True),
        (claim("a", "b"), claim("b", "c"), True),
    ],
)
def test_filters_meet_in_every_dimension_or_not_at_all(
    one: UsageFilter, other: UsageFilter, meet: bool
) -> None:
    """Two filters can claim one row exactly if no dimension keeps them apart."""
    assert (meet, meet) == (intersects(one, other), intersects(other, one))


def test_what_each_refuses_is_refused_by_both() -> None:
    """One leaves out a model, the other an agent: they still meet in all the rest."""
    kinds = {"kind": frozenset({"a"})}
    one = UsageFilter(kinds, {"model": frozenset({"m"})})
    other = UsageFilter(kinds, {"agent": frozenset({"x"})})
    of_x = UsageFilter(kinds | {"agent": frozenset({"x"})}, {"model": frozenset({"m"})})

    assert [True, True] == [intersects(one, other), intersects(other, one)]
    assert [False, False] == [intersects(of_x, other), intersects(other, of_x)]


METERED = usage("meter:calls@1", 7)
EVERY_KIND = claim("*")


def matrix_of(*kinds: str) -> Matrix:
    return Matrix(tuple(Cell(Fraction(1), kinds=(kind,)) for kind in kinds))


@pytest.mark.parametrize(
    ("charge", "claimed"),
    [
        (Charge("c", "C", PerUnit(Fraction(1)), EVERY_KIND), False),
        (Charge("c", "C", Surcharge(Fraction(1)), EVERY_KIND), False),
        (Charge("c", "C", matrix_of("*"), EVERY_KIND), False),
        (Charge("c", "C", matrix_of("output_*"), EVERY_KIND), False),
        (Charge("c", "C", PerUnit(Fraction(1)), claim("meter:other@1")), False),
        (Charge("c", "C", PerUnit(Fraction(1)), claim("meter:calls@1")), True),
        (Charge("c", "C", PerUnit(Fraction(1)), claim("meter:*")), True),
        (Charge("c", "C", matrix_of("*", "meter:calls@1"), EVERY_KIND), True),
    ],
)
def test_a_meter_is_claimed_by_name_only(charge: Charge, claimed: bool) -> None:
    """It counts again what other rows hold: a price of every kind would bill that twice.

    Without a charge that names it there is nothing to bill, and nothing unrated.
    """
    claims = Claims([charge])

    rated = rate_period(terms(charge), [METERED, usage("output_text", 5)])

    assert claimed is (claims.positions_of(METERED)[0] is not None)
    assert claimed is not claims.passes_over(METERED)
    assert "meter:calls@1" not in {row.kind for row in rated.unrated}


def test_a_meter_that_nobody_names_hides_nothing() -> None:
    """What comes after it, in whatever order, is billed."""
    every = Charge("every", "E", PerUnit(Fraction(1)), EVERY_KIND)
    rows = [usage("input_text", 2), METERED, usage("output_text", 5)]

    assert rate_period(terms(every), rows).total == 7


def test_a_meter_that_is_named_and_has_no_price_is_unrated() -> None:
    """A charge speaks of it, so that leaving it out would be a loss."""
    of_gpt = Cell(Fraction(1), models=("gpt-5",), kinds=("meter:calls@1",))
    charge = Charge("c", "C", Matrix((of_gpt,)), EVERY_KIND)

    rated = rate_period(terms(charge), [METERED])

    assert ["meter:calls@1"] == [row.kind for row in rated.unrated]


def test_a_price_of_a_meter_stands_beside_one_of_every_kind() -> None:
    """The two claim nothing in common, so one book may have both."""
    every = Charge("every", "E", PerUnit(Fraction(1)), EVERY_KIND)
    named = Charge("named", "N", PerUnit(Fraction(1)), claim("meter:calls@1"))
    any_meter = Charge("any", "A", matrix_of("meter:*"), EVERY_KIND)

    for charges in ([every, named], [named, every]):
        plan = Claims(charges)
        assert charges.index(named) == plan.positions_of(METERED)[0]
        assert charges.index(every) == plan.positions_of(usage("output_text", 1))[0]
    assert not overlapping(every, named)
    assert not overlapping(every, any_meter)
    assert overlapping(named, any_meter)
    assert overlapping(every, Charge("also", "A", PerUnit(Fraction(1)), claim("output_text")))
