"""Exact lines become integers that add up."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.invoicing.domain.allocation import ExactLine, allocate, payable_multiple
from services.invoicing.domain.errors import InvalidStatement
from shared.money import CURRENCIES, Currency, parse_exact, round_to_minor_units

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "golden" / "rounding.json").read_text()
)
AMOUNTS = st.lists(
    st.fractions(min_value=-1000, max_value=1000, max_denominator=10_000), max_size=30
)


def _cases(model: str) -> list[Any]:
    return [
        pytest.param(case, CURRENCIES[vector["currency"]], id=f"{vector['id']}-{index}")
        for vector in VECTORS
        if vector["model"] == model
        for index, case in enumerate(vector["cases"])
    ]


def _minor(amount: str, currency: Currency) -> int:
    minor = parse_exact(amount) * 10**currency.exponent
    assert 1 == minor.denominator
    return int(minor.numerator)


def _lines(amounts: list[Fraction]) -> list[ExactLine]:
    return [ExactLine(amount) for amount in amounts]


@pytest.mark.parametrize(("case", "currency"), _cases("round"))
def test_rounding_is_half_away_from_zero(case: Any, currency: Currency) -> None:
    """Every golden vector of the one rounding."""
    rounded = round_to_minor_units(parse_exact(case["value"]), currency)

    assert _minor(case["expect"]["rounded"], currency) == rounded


@pytest.mark.parametrize(("case", "currency"), _cases("invoice_rounding"))
def test_the_total_is_rounded_once(case: Any, currency: Currency) -> None:
    """Exact lines are added first: every golden vector, where rounding each line would differ."""
    lines = _lines([parse_exact(line) for line in case["lines"]])

    each = sum(round_to_minor_units(line.amount, currency) for line in lines)

    expected = _minor(case["expect"]["total"], currency)
    assert expected == allocate(lines, currency).total_minor
    assert expected != each


@pytest.mark.parametrize(("case", "currency"), _cases("allocate"))
def test_lines_get_the_largest_remainders(case: Any, currency: Currency) -> None:
    """Every golden vector of the allocation."""
    allocation = allocate(_lines([parse_exact(line) for line in case["lines"]]), currency)

    assert _minor(case["expect"]["total"], currency) == allocation.total_minor
    assert [_minor(line, currency) for line in case["expect"]["lines"]] == [
        line.amount_minor for line in allocation.lines
    ]


@given(AMOUNTS, st.sampled_from(sorted(CURRENCIES)))
def test_lines_and_rounding_sum_to_the_total(amounts: list[Fraction], code: str) -> None:
    """Whatever the amounts and the currency, the parts of an invoice sum to its total."""
    currency = CURRENCIES[code]

    allocation = allocate(_lines(amounts), currency)

    parts = sum(line.amount_minor for line in allocation.lines) + allocation.rounding_minor
    assert allocation.total_minor == parts
    assert 0 == allocation.total_minor % payable_multiple(currency)


@given(AMOUNTS)
def test_a_reversal_mirrors_its_original(amounts: list[Fraction]) -> None:
    """The negated invoice has the negated total and lines."""
    original = allocate(_lines(amounts), CURRENCIES["USD"])

    reversal = allocate(_lines([-amount for amount in amounts]), CURRENCIES["USD"])

    assert -original.total_minor == reversal.total_minor
    if original.total_minor:
        assert [-line.amount_minor for line in original.lines] == [
            line.amount_minor for line in reversal.lines
        ]


@given(st.lists(AMOUNTS.filter(bool), min_size=1, max_size=5))
def test_details_sum_to_their_line(details: list[list[Fraction]]) -> None:
    """Each line's minor units are spread over its details without rest."""
    lines = [ExactLine(sum(parts, Fraction(0)), tuple(parts)) for parts in details]

    allocation = allocate(lines, CURRENCIES["USD"])

    assert [line.amount_minor for line in allocation.lines] == [
        sum(line.details_minor) for line in allocation.lines
    ]


def test_details_of_another_sum_are_refused() -> None:
    """Details that do not make up their line are no details of it."""
    lines = [ExactLine(Fraction(1), (Fraction(1, 2),))]

    with pytest.raises(InvalidStatement, match="details_do_not_sum"):
        allocate(lines, CURRENCIES["USD"])


@pytest.mark.parametrize(
    ("code", "amount", "total", "rounding"),
    [
        ("KWD", "1.234", 1230, -4),
        ("KWD", "1.235", 1240, 5),
        ("ISK", "10.5", 11, 0),
        ("MGA", "1.50", 200, 50),
        ("USD", "1.234", 123, 0),
    ],
)
def test_totals_are_payable(code: str, amount: str, total: int, rounding: int) -> None:
    """A total that nobody could pay is rounded to one that can be, by a part of its own."""
    allocation = allocate([ExactLine(parse_exact(amount))], CURRENCIES[code])

    assert (total, rounding) == (allocation.total_minor, allocation.rounding_minor)
