"""What came to nothing, and whether a model of one's own pays; reckoned by hand."""

from dataclasses import replace
from fractions import Fraction

import pytest

from services.pricing.domain.efficiency.custom_models import CustomModel, custom_model_case
from services.pricing.domain.efficiency.routing import Model
from services.pricing.domain.efficiency.waste import retried_report, waste_report
from tests.unit.pricing.efficiency.prices import PRICES, dollars, used

OWN = CustomModel(
    "own",
    Model("lab", "dear"),
    training=Fraction(12_000),
    months=12,
    hosting=Fraction(500),
    per_token=Fraction(5),
)
"""1,500 a month before it serves a token."""


def test_what_repeats_is_told_by_agent_and_model() -> None:
    """50 x 3 and 50 x 1 of the coder, 10 x 4 of the writer: 240; what has no price is listed."""
    rows = [
        used("output_text", 3),
        used("output_text", 1, status="failed"),
        used("input_uncached", 4, agent="writer"),
        used("strange", 9),
    ]

    found = retried_report(rows, PRICES)

    assert (Fraction(240), [Fraction(200), Fraction(40)]) == (
        found.cost,
        [one.cost for one in found.agents],
    )
    assert [9] == list(found.unpriced.values())
    assert () == retried_report([], PRICES).agents


def test_waste_is_told_in_parts_of_the_cost() -> None:
    """Of 50 x (10 + 2 + 4 + 1) + 10 x 10 = 950: 300 aborted, 50 failed, 200 + 50 thinking there."""
    rows = [
        used("output_text", 10),
        used("input_uncached", 10),
        used("output_text", 2, status="aborted"),
        used("output_reasoning", 4, status="aborted"),
        used("output_reasoning", 1, status="failed"),
    ]

    (waste,) = waste_report(rows, PRICES).agents

    assert dollars(950, 300, 50) == (waste.cost, waste.aborted, waste.failed)
    assert dollars(250, 250) == (waste.reasoning, waste.unused_reasoning)
    assert dollars(200, 50) == (waste.aborted_reasoning, waste.failed_reasoning)
    assert Fraction(350, 950) == waste.share


def test_the_total_is_that_of_the_agents() -> None:
    """Agents and models stay apart, and sum up."""
    rows = [
        used("output_text", 1, agent="a"),
        used("output_text", 1, agent="b", status="failed"),
        used("output_text", 1, agent="b", model="cheap", status="aborted"),
    ]

    report = waste_report(rows, PRICES)

    assert [("a", "dear"), ("b", "cheap"), ("b", "dear")] == [
        (one.agent, one.model) for one in report.agents
    ]
    assert dollars(108, 8, 50) == (report.total.cost, report.total.aborted, report.total.failed)


def test_values_of_meters_are_not_counted_again() -> None:
    """They hold what other rows hold: neither cost nor unpriced."""
    report = waste_report([used("meter:seconds@1", 5)], PRICES)

    assert ((), {}) == (report.agents, report.unpriced)


def test_a_model_of_ones_own_pays_from_a_volume_on() -> None:
    """100 fresh at 10 and 100 answered at 50 are 30 a token: 25 spared, 60 tokens a month pay it.

    200 tokens in 2 months cost 6,000 now, 2 x 1,500 + 200 x 5 = 4,000 on it.
    """
    rows = [used("input_uncached", 100), used("output_text", 100), used("audio_seconds", 7)]

    case = custom_model_case(rows, OWN, PRICES, Fraction(2))

    assert {} == case.unpriced, "seconds are no tokens that it would serve"
    assert dollars(6_000, 4_000, 2_000) == (case.cost_now, case.cost_custom, case.saving)
    assert Fraction(60) == case.break_even_tokens


def test_training_is_paid_once() -> None:
    """12,000 over 12 months: a month bears 1,000, a year all of it, and three years no more."""
    case = custom_model_case(
        [used("output_text", 10)], replace(OWN, hosting=Fraction(7)), PRICES, Fraction(1)
    )

    costs = [replace(case, months=Fraction(months)).cost_custom for months in (1, 12, 36)]

    assert [1_000 + 7 + 50, 12_000 + 12 * 7 + 50, 12_000 + 36 * 7 + 50] == costs


def test_a_model_that_nobody_used_pays_and_loses_nothing() -> None:
    """Its name may be a slip: no volume is told, and that it was not used is."""
    rows = [used("output_text", 10, model="cheap"), used("meter:seconds@1", 5)]

    case = custom_model_case(rows, OWN, PRICES, Fraction(1))

    assert (None, True) == (case.break_even_tokens, case.unused)
    assert not custom_model_case([used("output_text", 1)], OWN, PRICES, Fraction(1)).unused


def test_of_a_price_that_is_just_as_high_nothing_is_spared() -> None:
    """Division by a margin of 0: no volume pays. Without fixed cost the first token does."""
    even = replace(OWN, per_token=Fraction(50))
    free = replace(OWN, training=Fraction(0), hosting=Fraction(0))
    rows = [used("output_text", 10)]

    cases = [custom_model_case(rows, model, PRICES, Fraction(1)) for model in (even, free)]

    assert [None, 0] == [case.break_even_tokens for case in cases]


def test_it_never_pays_where_its_tokens_cost_more() -> None:
    """No volume makes up for a dearer token."""
    case = custom_model_case(
        [used("input_uncached", 100)], replace(OWN, per_token=Fraction(10)), PRICES, Fraction(1)
    )

    assert case.break_even_tokens is None
    assert Fraction(-1_500) == case.saving


@pytest.mark.parametrize("wrong", [{"training": Fraction(-1)}, {"months": 0}])
def test_a_model_that_cannot_be_is_refused(wrong: dict[str, object]) -> None:
    """No cost below zero, no time of nothing."""
    with pytest.raises(ValueError, match="costs"):
        replace(OWN, **wrong)  # type: ignore[arg-type]
