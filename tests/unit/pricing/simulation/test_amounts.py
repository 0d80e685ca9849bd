"""Amounts alone are those of the statement: the same steps, which only find no words."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given, settings

from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.plan import Plan
from services.pricing.domain.rating import RatingTerms, rate_amounts, rate_period
from services.pricing.domain.seats import Seats
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import part_amounts, rate_parts
from services.pricing.domain.statement import Line
from services.pricing.domain.usage import Usage, canonical_usage
from services.pricing.list_prices import list_prices
from shared.currencies import CURRENCIES
from tests.support.pricing_values import NOVEMBER

from .test_reach import PLANS, ROWS

CASES = pytest.mark.parametrize(
    ("currency", "plan"), [p[1:] for p in PLANS], ids=[p[0] for p in PLANS]
)
PRICES = ProviderPrices(list_prices())


def told(lines: Iterable[Line]) -> list[tuple[object, ...]]:
    """Return what amounts alone say of lines, too."""
    found: list[tuple[object, ...]] = []
    for line in lines:
        steps = [(step.step, step.amount) for step in line.steps if step.amount]
        sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
        for detail in line.details:
            sums[detail.model, detail.kind] += detail.amount
        found.append((line.line_key, line.quantity, line.amount, steps, _kept(sums)))
    return found


def alone(lines: Iterable[Line]) -> list[tuple[object, ...]]:
    found: list[tuple[object, ...]] = []
    for line in lines:
        steps = [(step.step, step.amount) for step in line.steps if step.amount]
        sums = {(g.model, g.kind): g.amounts.total for g in line.details.groups}
        found.append((line.line_key, line.quantity, line.amount, steps, _kept(sums)))
    return found


def _kept(sums: dict[tuple[str, str], Fraction]) -> dict[tuple[str, str], Fraction]:
    return {name: amount for name, amount in sums.items() if amount}


@CASES
@settings(max_examples=10, deadline=None)
@given(rows=ROWS)
def test_amounts_are_those_of_the_statement(currency: str, plan: Plan, rows: list[Usage]) -> None:
    """Every line, step and sum by model and kind, whatever the plan and the usage."""
    terms = RatingTerms("h", plan, CURRENCIES[currency], Seats.of(2), NOVEMBER)
    if plan.needs_cost:
        rows = [row._replace(cost=PRICES.cost(row)) for row in rows]

    statement = rate_period(terms, rows)
    amounts = rate_amounts(terms, canonical_usage(rows))

    assert (statement.total, statement.unrated) == (amounts.total, amounts.unrated)
    assert told(statement.lines) == alone(amounts.lines)


@CASES
@settings(max_examples=5, deadline=None)
@given(rows=ROWS)
def test_amounts_of_parts_are_those_of_the_statement(
    currency: str, plan: Plan, rows: list[Usage]
) -> None:
    """The same where the seats change within the month, and the first days are free."""
    days = [
        Period(date(2023, 11, first), date(2023, 11, last), 30)
        for first, last in ((1, 4), (4, 16), (16, 30))
    ]
    seats = map(Seats.of, (1, 1, 5))
    pairs = zip(days, seats, strict=True)
    trial, before, after = (Part(day, plan, "b", "h", held) for day, held in pairs)
    parts = (replace(trial, charged="nothing"), before, after)
    terms = SplitTerms(parts, CURRENCIES[currency])
    if plan.needs_cost:
        rows = [row._replace(cost=PRICES.cost(row)) for row in rows]

    statement = rate_parts(terms, rows)
    amounts = part_amounts(terms, canonical_usage(rows))

    assert (statement.total, statement.unrated) == (amounts.total, amounts.unrated)
    assert told(statement.lines) == alone(amounts.lines)
