"""Outcomes, which may be reversed after their period is billed."""

from fractions import Fraction

from services.pricing.domain.adjustment import adjustments, total_of
from services.pricing.domain.charges.flat import Flat
from services.pricing.domain.charges.per_unit import PerUnit
from services.pricing.domain.rating import rate_period
from services.pricing.domain.statement import RatedStatement
from shared.money import exact
from tests.support.pricing_values import charged, terms, usage

KIND = "tickets_resolved"
PLAN = terms(
    charged(Flat(Fraction(49)), key="base"),
    charged(PerUnit(exact("0.99")), KIND, key="outcomes", free_units=Fraction(50)),
)


def rate(*counts: int) -> RatedStatement:
    return rate_period(PLAN, [usage(KIND, n, agent=str(i)) for i, n in enumerate(counts)])


def test_outcomes_above_those_included_are_paid() -> None:
    """60 confirmed with 50 included: the base and ten."""
    assert exact("58.9") == rate(60).total


def test_a_reversal_in_the_same_period_lowers_the_count() -> None:
    """A reversal is a correction below zero; nothing is left over as an adjustment."""
    assert rate(59).total == rate(60, -1).total


def test_a_reversal_of_a_billed_period_is_its_difference() -> None:
    """The period is rated again, and the next statement takes back what came of it."""
    found = adjustments(rate(60), rate(60, -1))

    assert [("outcomes", Fraction(-1), exact("-0.99"))] == [
        (one.charge, one.quantity, one.amount) for one in found
    ]


def test_a_reversal_below_what_is_included_takes_nothing_back() -> None:
    """The fiftieth outcome was not paid for: its reversal is worth nothing."""
    assert 0 == total_of(adjustments(rate(50), rate(50, -1)))


def test_a_reversal_in_the_new_period_would_be_caught() -> None:
    """Counting it against the next period's included units would give nothing back."""
    assert rate(50).total - rate(50, -1).total != total_of(adjustments(rate(60), rate(60, -1)))
