"""Cost-plus."""

from fractions import Fraction

from services.pricing.domain.charges.cost_plus import CostPlus
from services.pricing.domain.rating import rate_period
from shared.money import exact
from tests.support.pricing_values import charged, sentences, terms, usage

PLUS = terms(charged(CostPlus(exact("1.2")), "input_uncached"))


def test_it_is_the_providers_cost_times_a_multiplier() -> None:
    """Costs are added exactly; each agent's part is what its own usage cost."""
    rows = [
        usage("input_uncached", 100, agent="a", cost=exact("0.000123456789")),
        usage("input_uncached", 100, agent="b", cost=exact("0.05")),
    ]

    line = rate_period(PLUS, rows).lines[0]

    assert exact("0.0601481481468") == line.amount
    assert [exact("0.0001481481468"), exact("0.06")] == [d.amount for d in line.details]
    assert ["provider cost of 0.050123456789 USD x 1.2"] == sentences(list(line.steps))


def test_usage_whose_cost_is_not_known_is_unrated() -> None:
    """Unpriced is a state and never zero: the rest is billed, this is listed."""
    rows = [usage("input_uncached", 100, cost=Fraction(1)), usage("input_uncached", 7)]

    rated = rate_period(PLUS, rows)

    assert (exact("1.2"), [Fraction(7)]) == (rated.total, [r.quantity for r in rated.unrated])


def test_costs_are_part_of_the_input() -> None:
    """Another cost is another input, with another hash."""
    one, two = (
        rate_period(PLUS, [usage("input_uncached", 1, cost=Fraction(cost))]) for cost in (1, 2)
    )

    assert one.input_hash != two.input_hash


def test_reading_an_unknown_cost_as_zero_would_be_caught() -> None:
    """Were unknown costs zero, all of this usage would pass as rated."""
    rated = rate_period(PLUS, [usage("input_uncached", 7)])

    assert () != rated.unrated
