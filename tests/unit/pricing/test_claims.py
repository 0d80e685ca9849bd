"""Which charge claims which usage."""

from fractions import Fraction

import pytest

from services.pricing.domain.charge import Charge, UsageFilter
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.claims import Claims, intersects
from tests.support.pricing_values import claim, usage


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
