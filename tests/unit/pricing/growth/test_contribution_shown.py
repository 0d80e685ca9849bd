"""Contributions as they are shown: rows and columns of decimals that add up."""

from datetime import date
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.growth.contribution import Part, contributions
from services.pricing.domain.growth.shown import shown
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.growth.contribution import ContributionAnswer, ContributionQuestion
from services.pricing.handlers.growth.windows import Span
from services.pricing.schemas.growth.contribution import (
    ContributionRead,
    PartRead,
    contributions_read,
)

OCTOBER = Window(date(2023, 10, 1), date(2023, 11, 1))
NOVEMBER = Window(date(2023, 11, 1), date(2023, 12, 1))
AMOUNTS = st.fractions(-(10**9), 10**9, max_denominator=10**12)
PARTS = st.lists(st.builds(Part, st.uuids().map(str), AMOUNTS, AMOUNTS), max_size=8)
THIRD = Fraction(1, 3)


def shown_of(parts: list[Part]) -> ContributionRead:
    question = ContributionQuestion(Span(NOVEMBER.first, NOVEMBER.end))
    pairs = [(OCTOBER, NOVEMBER, contributions(parts))]
    unpriced: dict[Window, dict[str, Fraction]] = {OCTOBER: {}, NOVEMBER: {}}
    (one,) = contributions_read(
        ContributionAnswer(question, pairs, "USD", None, 0, unpriced)
    ).comparisons
    return one


@given(PARTS)
def test_what_is_printed_adds_up(parts: list[Part]) -> None:
    """Each column sums to the whole's figure, and in each row after less before is the change."""
    told = shown_of(parts)

    for name in ("before", "after", "change"):
        column = sum((Fraction(getattr(one, name)) for one in told.parts), Fraction(0))
        assert Fraction(getattr(told, name)) == column
    rows: list[ContributionRead | PartRead] = [told, *told.parts]
    for row in rows:
        assert Fraction(row.after) - Fraction(row.before) == Fraction(row.change)


def test_each_part_rounded_alone_would_not_add_up() -> None:
    """Three thirds are 1: one of them is shown as 0.333333334."""
    told = shown_of([Part(name, THIRD, 2 * THIRD) for name in "abc"])

    assert ("1", "2", "1") == (told.before, told.after, told.change)
    assert ["0.333333334", "0.333333333", "0.333333333"] == [one.before for one in told.parts]


def test_a_half_is_rounded_away_from_zero() -> None:
    """To nine places, in either direction."""
    half = Fraction(1, 2 * 10**9)

    assert ["0.666666667", "-0.666666667", "0.000000001", "-0.000000001"] == [
        shown(amount) for amount in (2 * THIRD, -2 * THIRD, half, -half)
    ]
