"""What each plan, model, tenant, … made of the growth of revenue, tokens or cost."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import chain
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.contribution import Contributions, contributions, parts_of
from services.pricing.domain.growth.costs import DayCosts
from services.pricing.domain.growth.windows import Step, Window
from services.pricing.domain.rating import COST_CURRENCY
from services.pricing.growth_tables import tenant_segment
from services.pricing.handlers.growth.parts import (
    Sums,
    by_segment,
    cost_by,
    revenue_by,
    tokens_by,
)
from services.pricing.handlers.growth.windows import Span, currency_of, faults_of, pairs_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.growth import logs, revenue, usage
from shared.accounts.repository import Account
from shared.errors import Fault, TallyrollError

Of = Literal["revenue", "tokens", "cost"]
Dimension = Literal[
    "segment", "tenant", "plan", "model", "provider", "agent", "kind", "purpose", "team", "user"
]
SEGMENT = "segment"

Pairs = Sequence[tuple[Window, Window, Contributions]]


@dataclass(frozen=True)
class ContributionQuestion:
    """Growth of what, by which dimension; the `top` parts by their change are named.

    `each` compares every month, quarter or year of the days with its own base.
    """

    span: Span
    of: Of = "revenue"
    by: Dimension = "tenant"
    each: Step | None = None
    currency: str | None = None
    top: int = 20


@dataclass(frozen=True)
class ContributionAnswer:
    """The pairs of windows and what was made of the growth between them.

    `unpriced`: of each window, quantities by kind whose cost nobody knows and that are in no cost.
    """

    question: ContributionQuestion
    pairs: Pairs
    currency: str | None
    sealed_through: date | None
    open_periods: int
    unpriced: Mapping[Window, Mapping[str, Fraction]]


@dataclass(frozen=True)
class _Read:
    """What was read, `add` what makes sums of it without waiting for anything."""

    add: Callable[[], Sums]
    currency: str | None = None
    open_periods: int = 0


async def read_contribution(
    connection: AsyncConnection, account: Account, question: ContributionQuestion
) -> ContributionAnswer:
    """Answer a question from one snapshot: the connection's transaction is REPEATABLE READ.

    Raises `unknown_combination`, `invalid_window` with every fault, and what `currency_of` does.
    """
    _check(question)
    pairs = pairs_of(question.span, question.each)
    windows = list(dict.fromkeys(chain.from_iterable(pairs)))
    readers = {"tokens": _tokens, "cost": _cost, "revenue": _revenue}
    read = await readers[question.of](connection, account, question, windows)
    segments = await _segments(connection, account) if question.by == SEGMENT else None
    # In a thread: it takes seconds for thousands of tenants, and others wait for the loop.
    told, unpriced = await asyncio.to_thread(_compared, question, pairs, windows, read, segments)
    return ContributionAnswer(
        question,
        told,
        read.currency,
        await usage.read_sealed_through(connection, account),
        read.open_periods,
        unpriced,
    )


def _compared(
    question: ContributionQuestion,
    pairs: Sequence[tuple[Window, Window]],
    windows: Sequence[Window],
    read: _Read,
    segments: Mapping[str, str | None] | None,
) -> tuple[Pairs, Mapping[Window, Mapping[str, Fraction]]]:
    sums = read.add() if segments is None else by_segment(read.add(), segments)
    amounts = {window: sums.amounts[number] for number, window in enumerate(windows)}
    told = [
        (one, other, contributions(parts_of(amounts[one], amounts[other], top=question.top)))
        for one, other in pairs
    ]
    return told, {window: sums.unpriced[number] for number, window in enumerate(windows)}


def _check(question: ContributionQuestion) -> None:
    known = {
        "tokens": usage.DIMENSIONS.keys(),
        "cost": {n for n, (table, _) in usage.DIMENSIONS.items() if table == usage.DAILY},
        "revenue": revenue.DIMENSIONS.keys(),
    }[question.of]
    faults = faults_of(question.span, question.each)
    if question.by not in {*known, SEGMENT}:
        message = f"{question.of.capitalize()} is known by {', '.join(sorted({*known, SEGMENT}))}."
        faults.insert(0, Fault("unknown_combination", "by", message))
    if question.of == "cost" and question.currency not in (None, COST_CURRENCY):
        message = f"Cost is in {COST_CURRENCY}, whatever statements are in."
        faults.append(Fault("unknown_combination", "currency", message))
    if faults:
        raise TallyrollError(faults[0].code, faults[0].message, faults=faults)


def _read_by(question: ContributionQuestion) -> str:
    return "tenant" if question.by == SEGMENT else question.by


async def _tokens(
    connection: AsyncConnection,
    account: Account,
    question: ContributionQuestion,
    windows: Sequence[Window],
) -> _Read:
    by = _read_by(question)
    rows = await usage.read_tokens(connection, account, by, windows)
    return _Read(lambda: tokens_by(by, rows))


async def _cost(
    connection: AsyncConnection,
    account: Account,
    question: ContributionQuestion,
    windows: Sequence[Window],
) -> _Read:
    by = _read_by(question)
    costs = DayCosts(await load_prices(connection, account))
    rows = await usage.read_costed_usage(connection, account, by, windows)
    return _Read(lambda: cost_by(by, rows, costs), COST_CURRENCY)


async def _revenue(
    connection: AsyncConnection,
    account: Account,
    question: ContributionQuestion,
    windows: Sequence[Window],
) -> _Read:
    by = _read_by(question)
    currency = await currency_of(connection, account, question.currency)
    last = max(window.end for window in windows)
    open_periods = await revenue.count_open_periods(connection, account, last)
    if currency is None:
        return _Read(Sums, None, open_periods)
    rows = await revenue.read_usage_revenue(connection, account, currency, windows, [by])
    fees = await revenue.read_fees(connection, account, currency, windows)
    return _Read(lambda: revenue_by(by, windows, rows, fees), currency, open_periods)


async def _segments(connection: AsyncConnection, account: Account) -> dict[str, str | None]:
    rows = await logs.list_standing(connection, account, tenant_segment)
    return {row["tenant_id"]: row["segment"] for row in rows}
