"""Details by columns: what goes in comes out, and equal is what is written alike."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.column import Column
from services.pricing.domain.details import Detail, DetailGroup, Details
from services.pricing.domain.usage import Daily

NAMES = st.sampled_from(["", "a", "b"])
NUMBERS = st.fractions(-(10**20), 10**20, max_denominator=10**6)
DETAILS = st.lists(
    st.builds(Detail, NAMES, NAMES, NAMES, st.dates(date(2023, 11, 1)), NUMBERS, NUMBERS),
    max_size=8,
    unique_by=lambda detail: detail[:4],
).map(sorted)
DAY = date(2023, 11, 5)
ONE = Detail("agent", "model", "kind", DAY, Fraction(3), Fraction(1, 3))


@given(DETAILS)
def test_what_goes_in_comes_out(details: list[Detail]) -> None:
    """Whatever the numbers have in common: names, days, quantities and amounts stay."""
    kept = Details.of(details)

    assert details == list(kept)
    assert len(details) == len(kept)


@pytest.mark.parametrize(
    "other",
    [
        ONE._replace(agent="other"),
        ONE._replace(model="other"),
        ONE._replace(kind="other"),
        ONE._replace(usage_day=date(2023, 11, 6)),
        ONE._replace(quantity=Fraction(4)),
        ONE._replace(amount=Fraction(2, 3)),
    ],
)
def test_details_that_differ_are_not_equal(other: Detail) -> None:
    """In a name, a day, a quantity or an amount."""
    assert Details.of([ONE]) != Details.of([other])
    assert Details.of([ONE]) != Details.of([ONE, other])
    assert Details.of([ONE]) != [ONE]


def test_the_same_amount_in_other_terms_is_equal() -> None:
    """1/3 is 2/6, and so is its hash; a quantity of 3 is one of 6/2."""
    kept = Details.of([ONE])
    daily = Daily([DAY], Column([6], 2), ["2023-11-05"], ["3"])
    amounts = Column([2], 6)
    other = replace(kept, groups=(DetailGroup(*ONE[:3], daily, amounts, amounts.texts()),))

    assert (kept, hash(kept)) == (other, hash(other))
