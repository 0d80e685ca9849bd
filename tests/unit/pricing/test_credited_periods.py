"""Closed periods that are credited: with statements and credits, what billing at once would be."""

from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from services.pricing.domain.adjustment import (
    adjustments,
    is_cheaper,
    total_of,
    with_adjustments,
)
from services.pricing.domain.periods import Period
from services.pricing.domain.statement import RatedStatement
from shared.money import sum_exact

from .test_adjustment import LATE, Booked, billed, known, months


def _bill(
    rows: list[Booked], chosen: list[bool]
) -> tuple[list[RatedStatement], list[Fraction], dict[Period, RatedStatement]]:
    """Bill month by month; a cheaper period is credited where `chosen` says so at that closing.

    Return the statements, the credits, and the last rating of each period.
    """
    made: list[RatedStatement] = []
    credits_: list[Fraction] = []
    last: dict[Period, RatedStatement] = {}
    for period, credit in zip(months(), chosen, strict=True):
        now = {earlier: known(rows, earlier, period.end) for earlier in last}
        pairs = {one: (billed(last[one], one), now[one]) for one in last}
        credited = [pair for pair in pairs.values() if credit and is_cheaper(*pair)]
        stated = [pair for pair in pairs.values() if pair not in credited]
        credits_ += [total_of(adjustments(*pair)) for pair in credited]
        last = now | {period: known(rows, period, period.end)}
        made.append(with_adjustments(last[period], stated, credited))
    return made, credits_, last


@settings(deadline=None)
@given(st.lists(LATE, max_size=9), st.lists(st.booleans(), min_size=3, max_size=3))
def test_statements_and_credits_are_what_billing_at_once_would_be(
    rows: list[Booked], chosen: list[bool]
) -> None:
    """bill(all at once) = bill(first) + adjustments + credits, whatever was chosen when."""
    made, credits_, last = _bill(rows, chosen)

    billed_now = sum_exact(one.total for one in made) + sum_exact(credits_)
    assert sum_exact(one.total for one in last.values()) == billed_now
    assert all(credit < 0 for credit in credits_)


@settings(deadline=None)
@given(st.lists(LATE, max_size=9))
def test_what_is_unrated_is_told_wherever_the_difference_stands(rows: list[Booked]) -> None:
    """Usage that no charge claims is on a statement, also of a period that is credited."""
    apart, _, _ = _bill(rows, [True] * 3)
    together, _, _ = _bill(rows, [False] * 3)

    assert [one.unrated for one in together] == [one.unrated for one in apart]
