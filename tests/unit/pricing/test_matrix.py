"""Prices by model, kind, context band and service tier."""

from fractions import Fraction
from typing import Any

import pytest

from services.pricing.domain.charges.matrix import Cell, Matrix, Multiplier
from services.pricing.domain.rating import rate_period
from shared.money import exact
from tests.support.pricing_values import MILLION, charged, sentences, terms, usage


def cell(amount: str, **patterns: str) -> Cell:
    """Return a cell with one pattern for each dimension that is named."""
    named: dict[str, Any] = {name: (pattern,) for name, pattern in patterns.items()}
    return Cell(exact(amount), **named)


CELLS = (
    cell("1"),
    cell("2", kinds="output_text"),
    cell("3", models="gpt-*"),
    cell("4", models="gpt-5*"),
    cell("5", models="gpt-5"),
    cell("6", models="gpt-5", kinds="output_*"),
    cell("7", models="gpt-5", kinds="output_*", context_bands="1M"),
    cell("8", models="gpt-5", kinds="output_*", service_tiers="priority"),
)


@pytest.mark.parametrize(
    ("values", "amount"),
    [
        ({"model": "x", "kind": "input_uncached"}, 1),
        ({"model": "x", "kind": "output_text"}, 2),
        ({"model": "gpt-4", "kind": "output_text"}, 3),
        ({"model": "gpt-5-mini", "kind": "output_text"}, 4),
        ({"model": "gpt-5", "kind": "input_uncached"}, 5),
        ({"model": "gpt-5", "kind": "output_text"}, 6),
        ({"model": "gpt-5", "kind": "output_text", "context_band": "1M"}, 7),
        ({"model": "gpt-5", "kind": "output_text", "service_tier": "priority"}, 8),
        (
            {
                "model": "gpt-5",
                "kind": "output_text",
                "context_band": "1M",
                "service_tier": "priority",
            },
            7,
        ),
    ],
)
@pytest.mark.parametrize("cells", [CELLS, CELLS[::-1]])
def test_the_most_specific_cell_wins(
    cells: tuple[Cell, ...], values: dict[str, str], amount: int
) -> None:
    """Model before kind before band before tier; a text before a pattern; order is nothing."""
    row = usage(**{"kind": "k", "quantity": 1, **values})  # type: ignore[arg-type]

    rated = rate_period(terms(charged(Matrix(cells), "*")), [row])

    assert Fraction(amount) == rated.total


def test_patterns_of_equal_length_have_an_order() -> None:
    """`*-mini` and `gpt-5*` both match and name five characters: code points decide."""
    cells = (cell("1", models="gpt-5*"), cell("2", models="*-mini"))

    for order in (cells, cells[::-1]):
        rated = rate_period(terms(charged(Matrix(order), "*")), [usage("k", 1, model="gpt-5-mini")])
        assert Fraction(2) == rated.total


def test_usage_that_no_cell_matches_is_unrated() -> None:
    """There is no price by default, and nothing is free by accident."""
    rated = rate_period(
        terms(charged(Matrix((cell("1", models="gpt-5"),)), "*")), [usage("k", 5, model="other")]
    )

    assert [Fraction(5)] == [row.quantity for row in rated.unrated]


def test_multipliers_act_on_the_cells_price() -> None:
    """Several that apply multiply; they are named on the line."""
    matrix = Matrix(
        (cell("5"),),
        MILLION,
        (
            Multiplier("fast mode", "speed", "fast", Fraction(2)),
            Multiplier("batch", "batch", "true", exact("0.5")),
        ),
    )
    rows = [usage("out", MILLION, model="m", speed="fast", batch=b) for b in ("true", "false")]

    line = rate_period(terms(charged(matrix, "*")), rows).lines[0]

    assert [
        "m: 1,000,000 out (fast mode) at 10.00 USD per 1,000,000",
        "m: 1,000,000 out (fast mode, batch) at 5.00 USD per 1,000,000",
    ] == sentences(list(line.steps))
    assert Fraction(15) == line.amount


def test_a_step_names_band_and_tier_where_the_cell_does() -> None:
    """What set the price is told, and what did not is not."""
    matrix = Matrix(
        (
            cell("1"),
            cell("2", models="a", context_bands="1M"),
            cell("3", models="a", context_bands="1M", service_tiers="priority"),
            cell("4", models="b", service_tiers="flex"),
        )
    )
    rows = [
        usage("k", 1, model=model, context_band=band, service_tier=tier)
        for model, band, tier in (
            ("a", "32k", "flex"),
            ("a", "1M", "flex"),
            ("a", "1M", "priority"),
            ("b", "1M", "flex"),
        )
    ]

    assert [
        "a: 1 k at 1.00 USD each",
        "a: 1 k (1M) at 2.00 USD each",
        "a: 1 k (1M, priority) at 3.00 USD each",
        "b: 1 k (flex) at 4.00 USD each",
    ] == sentences(list(rate_period(terms(charged(matrix, "*")), rows).lines[0].steps))


def test_each_detail_has_its_own_price() -> None:
    """A line's parts are what they cost, not equal shares by quantity."""
    matrix = Matrix((cell("1", kinds="a"), cell("9", kinds="b")))

    line = rate_period(terms(charged(matrix, "*")), [usage("a", 1), usage("b", 1)]).lines[0]

    assert [Fraction(1), Fraction(9)] == [detail.amount for detail in line.details]


def test_equal_cells_cannot_be_constructed() -> None:
    """Two prices for the same usage would be a choice by accident."""
    with pytest.raises(ValueError, match="same patterns"):
        Matrix((cell("1", models="m"), cell("2", models="m")))


def test_the_first_cell_that_matches_would_be_caught() -> None:
    """Reading the cells in their order gives the price of `*` to everything."""
    row = usage("output_text", 1, model="gpt-5")

    assert CELLS[0].unit_amount != rate_period(terms(charged(Matrix(CELLS), "*")), [row]).total


def test_multipliers_of_one_name_keep_their_factors() -> None:
    """Two service tiers under one name are two prices, each for its own usage."""
    factors = (("flex", "0.5"), ("priority", "2"))
    matrix = Matrix(
        (cell("1"),),
        multipliers=tuple(
            Multiplier("tier", "service_tier", tier, exact(factor)) for tier, factor in factors
        ),
    )
    rows = [usage("out", 10, model="m", service_tier=tier) for tier, _ in factors]

    line = rate_period(terms(charged(matrix, "*")), rows).lines[0]

    assert [Fraction(5), Fraction(20)] == [step.amount for step in line.steps]
    assert Fraction(25) == line.amount


def test_usage_of_a_cell_is_added_up() -> None:
    """Agents and days at one price are one step."""
    rows = [usage("k", 3, model="m", agent=agent) for agent in "ab"]

    (step,) = rate_period(terms(charged(Matrix((cell("2"),)), "*")), rows).lines[0].steps

    assert ("m: 6 k at 2.00 USD each", Fraction(12)) == (step.description, step.amount)
