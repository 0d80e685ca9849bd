"""What each plan, model, tenant, … made of the growth of revenue, tokens or cost."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from itertools import chain
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.contribution import Contributions, contributions, parts_of
from services.pricing.domain.growth.costs import DayCosts
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.windows import Step, Window
from services.pricing.domain.rating import COST_CURRENCY
from services.pricing.growth_tables import tenant_segment
from services.pricing.handlers.growth.windows import Span, currency_of, pairs_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.growth import logs, revenue, usage
from shared.accounts.repository import Account
from shared.errors import TallyrollError

Of = Literal["revenue", "tokens", "cost"]
Dimension = Literal[
    "segment", "tenant", "plan", "model", "provider", "agent", "kind", "purpose", "team", "user"
]
SEGMENT = "segment"

Key = tuple[str, str]
"""Kind of a part, and its name."""

Amounts = dict[int, dict[Key, Fraction]]
"""By the number of a window: the parts of its whole."""

VALUE, NOT_ALLOCABLE = "value", "not_allocable"


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

    `unpriced_tokens`: of each window, tokens whose cost nobody knows and that are in no cost.
    """

    question: ContributionQuestion
    pairs: Sequence[tuple[Window, Window, Contributions]]
    currency: str | None
    sealed_through: date | None
    open_periods: int
    unpriced_tokens: Mapping[Window, Fraction]


async def read_contribution(
    connection: AsyncConnection, account: Account, question: ContributionQuestion
) -> ContributionAnswer:
    """Answer a question from one snapshot: the connection's transaction is REPEATABLE READ.

    Raises `unknown_combination`, `invalid_window`, `currency_required`.
    """
    _check(question)
    pairs = pairs_of(question.span, question.each)
    windows = list(dict.fromkeys(chain.from_iterable(pairs)))
    currency, open_periods = None, 0
    unpriced: Mapping[int, Fraction] = {}
    if question.of == "tokens":
        amounts = await _tokens(connection, account, question, windows)
    elif question.of == "cost":
        currency = COST_CURRENCY
        amounts, unpriced = await _cost(connection, account, question, windows)
    else:
        currency = await currency_of(connection, account, question.currency)
        amounts = await _revenue(connection, account, question, currency, windows)
        last = max(window.end for window in windows)
        open_periods = await revenue.count_open_periods(connection, account, last)
    if question.by == SEGMENT:
        amounts = await _by_segment(connection, account, amounts)
    of_window = {window: amounts[number] for number, window in enumerate(windows)}
    return ContributionAnswer(
        question,
        [
            (
                one,
                other,
                contributions(parts_of(of_window[one], of_window[other], top=question.top)),
            )
            for one, other in pairs
        ],
        currency,
        await usage.read_sealed_through(connection, account),
        open_periods,
        {window: unpriced.get(number, Fraction(0)) for number, window in enumerate(windows)},
    )


def _check(question: ContributionQuestion) -> None:
    known = {
        "tokens": usage.DIMENSIONS.keys(),
        "cost": {n for n, (table, _) in usage.DIMENSIONS.items() if table == usage.DAILY},
        "revenue": revenue.DIMENSIONS.keys(),
    }[question.of]
    if question.by not in {*known, SEGMENT}:
        message = f"{question.of.capitalize()} is known by {', '.join(sorted({*known, SEGMENT}))}."
        raise TallyrollError("unknown_combination", message, subject=question.by)


def _read_by(question: ContributionQuestion) -> str:
    return "tenant" if question.by == SEGMENT else question.by


async def _tokens(
    connection: AsyncConnection,
    account: Account,
    question: ContributionQuestion,
    windows: Sequence[Window],
) -> Amounts:
    amounts = _nothing()
    for row in await usage.read_tokens(connection, account, _read_by(question), windows):
        amounts[row.window][_key(question, row.name)] += row.amount
    return amounts


async def _cost(
    connection: AsyncConnection,
    account: Account,
    question: ContributionQuestion,
    windows: Sequence[Window],
) -> tuple[Amounts, dict[int, Fraction]]:
    costs = DayCosts(await load_prices(connection, account))
    amounts = _nothing()
    unpriced: dict[int, Fraction] = defaultdict(Fraction)
    for row in await usage.read_costed_usage(connection, account, _read_by(question), windows):
        cost, unknown = costs.cost(row.usage, row.days, row.quantities)
        amounts[row.window][_key(question, row.name)] += cost
        if row.usage.kind in TOKEN_PARTS:
            unpriced[row.window] += unknown
    return amounts, unpriced


async def _revenue(
    connection: AsyncConnection,
    account: Account,
    question: ContributionQuestion,
    currency: str | None,
    windows: Sequence[Window],
) -> Amounts:
    amounts, by = _nothing(), _read_by(question)
    if currency is None:
        return amounts
    for row in await revenue.read_usage_revenue(connection, account, currency, windows, [by]):
        amounts[row.window][_key(question, row.values[0])] += row.amount
    for fee in await revenue.read_fees(connection, account, currency, windows):
        for number, window in enumerate(windows):
            share = window.share_of(fee.days)
            if share:
                amounts[number][_key_of_fee(question, by, fee)] += fee.amount * share
    return amounts


def _nothing() -> Amounts:
    return defaultdict(lambda: defaultdict(Fraction))


def _key(question: ContributionQuestion, name: str | None) -> Key:
    if name is None:
        return NOT_ALLOCABLE, f"several {question.by}s, or none"
    return (VALUE, name) if name else (NOT_ALLOCABLE, f"no {question.by} named")


def _key_of_fee(question: ContributionQuestion, by: str, fee: revenue.Fee) -> Key:
    """Return whose a fee is: a tenant's and a plan's; no model or agent caused it."""
    if by == "tenant":
        return VALUE, fee.tenant
    if by == "plan":
        return _key(question, fee.plan)
    return NOT_ALLOCABLE, f"due by days: {fee.model}"


async def _by_segment(connection: AsyncConnection, account: Account, amounts: Amounts) -> Amounts:
    """Add tenants up by segments as they stand today: who changed it makes no growth by that."""
    rows = await logs.list_standing(connection, account, tenant_segment)
    segments = {row["tenant_id"]: row["segment"] for row in rows}
    found = _nothing()
    for number, parts in amounts.items():
        for (_, tenant), amount in parts.items():
            segment = segments.get(tenant)
            key = (VALUE, segment) if segment else (NOT_ALLOCABLE, "tenants without a segment")
            found[number][key] += amount
    return found
