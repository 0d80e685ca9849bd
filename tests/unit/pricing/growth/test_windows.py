"""Which days are compared: whole months with whole months, quarters in a row."""

from datetime import date, timedelta
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.pricing.domain.growth.windows import Window, steps_of


def _window(first: str, end: str) -> Window:
    return Window(date.fromisoformat(first), date.fromisoformat(end))


@pytest.mark.parametrize(
    ("later", "earlier"),
    [
        (("2024-03-01", "2024-04-01"), ("2024-02-01", "2024-03-01")),
        (("2024-01-01", "2024-04-01"), ("2023-10-01", "2024-01-01")),
        (("2024-03-02", "2024-04-01"), ("2024-02-01", "2024-03-02")),
        (("2024-03-05", "2024-03-06"), ("2024-03-04", "2024-03-05")),
    ],
)
def test_the_days_before(later: tuple[str, str], earlier: tuple[str, str]) -> None:
    """February stands before March, though it is shorter; other days are counted."""
    assert _window(*earlier) == _window(*later).before()


def test_the_year_before() -> None:
    """The same days; the day that a year lacks is the last of its month."""
    leap = _window("2024-02-29", "2024-03-01")

    assert _window("2023-02-28", "2023-03-01") == leap.year_before()


@given(st.dates(date(2000, 1, 1), date(2199, 1, 1)), st.integers(1, 365))
def test_every_span_has_a_year_before(first: date, days: int) -> None:
    """Of a day at least, also around a leap day, and never reaching into the span itself."""
    span = Window(first, first + timedelta(days=days))

    earlier = span.year_before()

    assert abs(earlier.days - days) <= 1
    assert earlier.end <= span.first


def test_quarters_in_a_row() -> None:
    """Each begins where the one before ends."""
    steps = steps_of(_window("2023-10-01", "2024-07-01"), "quarter")

    assert ["2023-10-01", "2024-01-01", "2024-04-01"] == [str(step.first) for step in steps]
    assert date(2024, 7, 1) == steps[-1].end


@pytest.mark.parametrize(
    ("days", "step"),
    [
        (("2023-11-01", "2024-02-01"), "quarter"),
        (("2023-10-02", "2024-01-01"), "quarter"),
        (("2023-10-01", "2023-12-01"), "quarter"),
        (("2020-01-01", "2023-01-01"), "month"),
        (("2023-04-01", "2024-04-01"), "year"),
    ],
)
def test_other_days_have_no_steps(days: tuple[str, str], step: str) -> None:
    """What begins or ends within a quarter, and more than 24 steps."""
    with pytest.raises(ValueError, match="whole calendar"):
        steps_of(_window(*days), step)  # type: ignore[arg-type]


def test_days_apart_share_nothing() -> None:
    """Neither of what is before nor of what is after; half of what begins within."""
    november = _window("2023-11-01", "2023-12-01")

    assert [0, 0, Fraction(1, 2)] == [
        november.share_of(_window(*days))
        for days in (
            ("2023-09-01", "2023-10-01"),
            ("2023-12-01", "2024-01-01"),
            ("2023-11-30", "2023-12-02"),
        )
    ]


def test_a_span_holds_a_day() -> None:
    """None, or fewer, is refused where it is made."""
    with pytest.raises(ValueError, match="a day"):
        _window("2024-01-01", "2024-01-01")
