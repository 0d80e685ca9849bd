"""The signs of a cap that pushes people to safe work, reckoned by hand."""

from datetime import date, timedelta
from fractions import Fraction

from services.pricing.domain.envelopes.bias import Worked, bias_of
from services.pricing.domain.envelopes.envelope import Span
from tests.unit.pricing.envelopes.cases import dollars

CAPPED = date(2026, 3, 15)
WINDOW = Span(date(2026, 2, 1), date(2026, 5, 1))


def worked(day: date, amount: int, *, user: str = "a", purpose: str = "production") -> Worked:
    return Worked(day, user, purpose, Fraction(amount))


def test_exploration_before_and_after() -> None:
    """A third before, a tenth after: less by 7/30."""
    rows = [
        worked(date(2026, 3, 1), 20),
        worked(date(2026, 3, 2), 10, purpose="explore"),
        worked(CAPPED, 9),
        worked(CAPPED, 1, purpose="explore"),
    ]

    found = bias_of("x", rows, CAPPED, WINDOW, [])

    assert (Fraction(1, 3), Fraction(1, 10)) == (found.explored.before, found.explored.after)
    assert Fraction(-7, 30) == found.explored.change


def test_work_that_waits_for_a_new_period() -> None:
    """At the end of February as much as after it; at the end of March three times as much after."""
    around = [(date(2026, 3, 1), 10, 10), (date(2026, 4, 1), 10, 30)]
    rows = [
        worked(end + timedelta(days=at), amount)
        for end, last, first in around
        for at, amount in [*((-n, last) for n in (1, 2, 3)), *((n, first) for n in (0, 1, 2))]
    ]

    found = bias_of("x", rows, CAPPED, WINDOW, [end for end, _, _ in around])

    assert dollars(0, 2) == (found.deferred.before, found.deferred.after)


def test_people_who_are_gone() -> None:
    """Of two who worked before one does not any more; who is new is not gone."""
    rows = [
        worked(date(2026, 3, 1), 1, user="a"),
        worked(date(2026, 3, 1), 1, user="b"),
        worked(CAPPED, 1, user="a"),
        worked(CAPPED, 1, user="c"),
    ]

    found = bias_of("x", rows, CAPPED, WINDOW, [])

    assert (Fraction(1, 2), ("b",)) == (found.gone, found.gone_users)


def test_nothing_to_compare_is_not_nothing() -> None:
    """A side without work has no share; a team that has not worked since is not all gone."""
    found = bias_of("x", [worked(date(2026, 3, 1), 1)], CAPPED, WINDOW, [date(2026, 4, 1)])

    assert Fraction(0) == found.explored.before
    assert (None, None) == (found.explored.after, found.explored.change)
    assert (None, None) == (found.deferred.after, found.gone)


def test_only_the_window_is_looked_at() -> None:
    """What was long ago changes no figure."""
    old = worked(date(2026, 1, 1), 1_000, purpose="explore")
    rows = [worked(date(2026, 3, 1), 1)]

    assert bias_of("x", rows, CAPPED, WINDOW, []) == bias_of("x", [*rows, old], CAPPED, WINDOW, [])
