"""Levels weighted by days."""

from datetime import date
from fractions import Fraction

from services.pricing.domain.charges.weighted_sum import WeightedSum
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import rate_period
from services.pricing.domain.readings import Readings
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.usage import Usage
from tests.support.pricing_values import NOVEMBER, charged, sentences, terms, usage

STORAGE = charged(WeightedSum(Fraction(1)), "storage_gb", key="storage")


def change(day: int, delta: int) -> Usage:
    return usage("storage_gb", delta, usage_day=date(2023, 11, day))


def rate(*rows: Usage, level: int = 0, period: Period = NOVEMBER) -> RatedStatement:
    read = Readings(levels={"storage": Fraction(level)})
    return rate_period(terms(STORAGE, period=period), rows, read)


def test_a_change_counts_from_its_day_on() -> None:
    """30 units from the 16th of thirty days on are 15, that day included."""
    assert Fraction(15) == rate(change(16, 30)).total


def test_what_goes_away_is_paid_to_the_day_before() -> None:
    """10 units from the 1st, gone on the 4th, were there for three days."""
    assert Fraction(1) == rate(change(1, 10), change(4, -10)).total


def test_a_level_from_before_counts_for_the_period() -> None:
    """The level at the start, and a change booked late, are there all period long."""
    late = usage("storage_gb", 5, usage_day=date(2023, 10, 3))

    assert Fraction(15) == rate(late, level=10).total


def test_a_period_cut_short_has_its_share() -> None:
    """Ten units in half a period are five."""
    half = Period(date(2023, 11, 16), date(2023, 12, 1), 30)

    assert Fraction(5) == rate(level=10, period=half).total


def test_prices_may_be_for_many_units() -> None:
    """Per 10 units, level and changes cost a tenth each, and details their part of it."""
    storage = charged(WeightedSum(Fraction(2), Fraction(10)), "storage_gb", key="storage")
    read = Readings(levels={"storage": Fraction(30)})
    rows = [change(1, 10), change(16, 40)]

    line = rate_period(terms(storage), rows, read).lines[0]

    assert [Fraction(6), Fraction(6)] == [step.amount for step in line.steps]
    assert [Fraction(4), Fraction(8)] == [detail.amount for detail in line.details]


def test_the_steps_tell_level_and_changes() -> None:
    """Both parts stand on the line."""
    assert [
        "10 storage_gb from before the period at 1.00 USD each",
        "changes, by days: 15 storage_gb at 1.00 USD each",
    ] == sentences(list(rate(change(16, 30), level=10).lines[0].steps))


def test_excluding_the_day_itself_would_be_caught() -> None:
    """A change that counts from the next day on is 14 days of 30."""
    assert Fraction(14) != rate(change(16, 30)).total
