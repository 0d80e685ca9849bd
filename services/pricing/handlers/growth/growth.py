"""How tokens or revenue grew: by factor, by cohort."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from fractions import Fraction
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.cohorts import UnitUse
from services.pricing.domain.growth.factors import ZERO, Cell
from services.pricing.domain.growth.growth import (
    Growth,
    Side,
    growth_of_revenue,
    growth_of_tokens,
)
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.growth.windows import Span, currency_of, windows_of
from services.pricing.repository.growth import revenue, usage
from services.pricing.repository.growth.revenue import Fee, UsageRevenue
from services.pricing.repository.growth.usage import UnitTokens
from shared.accounts.repository import Account

Unit = Literal["user", "agent", "tenant"]
Total = Literal["tokens", "revenue"]
BY = ("tenant", "agent", "model", "kind")


@dataclass(frozen=True)
class GrowthQuestion:
    """Growth of what, by which units; `currency` is needed where statements have several."""

    span: Span
    of: Total = "tokens"
    unit: Unit = "user"
    currency: str | None = None


@dataclass(frozen=True)
class GrowthAnswer:
    """A growth, the days that it compares, and what it is true for.

    `open_periods`: subscriptions with days in it that are not billed; their revenue is to come.
    `unnamed`: units that stand for usage that names none, one for each tenant that has such.
    """

    question: GrowthQuestion
    base: Window
    window: Window
    growth: Growth
    currency: str | None
    sealed_through: date | None
    open_periods: int
    unnamed: tuple[int, int]


async def read_growth(
    connection: AsyncConnection, account: Account, question: GrowthQuestion
) -> GrowthAnswer:
    """Answer a question from one snapshot: the connection's transaction is REPEATABLE READ."""
    windows = windows_of(question.span)
    sides = await _read_units(connection, account, question.unit, windows)
    earlier = {
        _name(tenant, unit)
        for tenant, unit in await usage.list_units_before(
            connection, account, question.unit, windows[0].first
        )
    }
    currency, open_periods, grow = None, 0, growth_of_tokens
    if question.of == "revenue":
        currency = await currency_of(connection, account, question.currency)
        open_periods = await revenue.count_open_periods(connection, account, windows[1].end)
        sides = await _with_revenue(connection, account, question, currency, sides)
        grow = growth_of_revenue
    unnamed = [
        sum(name == _name(use.group, "") for name, use in side.units.items()) for side in sides
    ]
    return GrowthAnswer(
        question,
        *windows,
        await asyncio.to_thread(grow, *sides, earlier),  # seconds, for thousands of tenants
        currency,
        await usage.read_sealed_through(connection, account),
        open_periods,
        (unnamed[0], unnamed[1]) if question.unit != "tenant" else (0, 0),
    )


def _name(tenant: str, unit: str) -> str:
    return f"{tenant}/{unit}"


async def _read_units(
    connection: AsyncConnection, account: Account, unit: Unit, windows: tuple[Window, Window]
) -> tuple[Side, Side]:
    rows = await usage.read_unit_tokens(connection, account, unit, windows)
    days = await usage.count_active_days(connection, account, unit, windows)
    one, other = (
        _side_of([row for row in rows if row.window == number], days) for number in (0, 1)
    )
    return one, other


def _side_of(rows: Iterable[UnitTokens], days: Mapping[tuple[int, str, str], int]) -> Side:
    """Return a side without revenue; units without an active day are idle."""
    uses: dict[str, UnitUse] = {}
    idle = ZERO
    by_unit: dict[tuple[int, str, str], dict[Cell, Fraction]] = defaultdict(dict)
    for row in rows:
        by_unit[row.window, row.tenant, row.unit][Cell(row.model, row.kind)] = row.tokens
    for key, tokens in by_unit.items():
        _, tenant, name = key
        active, total = days.get(key, 0), sum(tokens.values(), ZERO)
        if active and total > 0:
            uses[_name(tenant, name)] = UnitUse(tenant, active, tokens, {})
        else:
            idle += total
    return Side(uses, idle)


async def _with_revenue(
    connection: AsyncConnection,
    account: Account,
    question: GrowthQuestion,
    currency: str | None,
    sides: tuple[Side, Side],
) -> tuple[Side, Side]:
    """Return both sides with what they brought in; nothing, while there is no statement."""
    windows = windows_of(question.span)
    rows: Sequence[UsageRevenue] = ()
    fees: Sequence[Fee] = ()
    if currency is not None:
        rows = await revenue.read_usage_revenue(connection, account, currency, windows, BY)
        fees = await revenue.read_fees(connection, account, currency, windows)
    one, other = (
        _priced(
            side,
            question.unit,
            [row for row in rows if row.window == number],
            [(fee.tenant, fee.amount * window.share_of(fee.days)) for fee in fees],
        )
        for number, (side, window) in enumerate(zip(sides, windows, strict=True))
    )
    return one, other


def _priced(
    side: Side, unit: Unit, rows: Sequence[UsageRevenue], fees: Sequence[tuple[str, Fraction]]
) -> Side:
    """Return a side with what it brought in; `fees` are of a tenant and so much."""
    by_group: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    by_unit: dict[str, dict[Cell, Fraction]] = defaultdict(lambda: defaultdict(Fraction))
    other = ZERO
    for row in rows:
        tenant, agent, model, kind = (value or "" for value in row.values)
        by_unit[_name(tenant, agent if unit == "agent" else "")][Cell(model, kind)] += row.amount
        if kind in TOKEN_PARTS:
            by_group[tenant][Cell(model, kind)] += row.amount
        else:
            other += row.amount
    totals = {name: sum(cells.values(), ZERO) for name, cells in by_unit.items()}
    if unit == "tenant":
        for tenant, amount in fees:
            name = _name(tenant, "")
            totals[name] = totals.get(name, ZERO) + amount
    units = {name: _with_cells(use, by_unit.get(name, {})) for name, use in side.units.items()}
    return replace(
        side,
        units=side.units if unit == "user" else units,
        token_revenue=by_group,
        other_revenue=other,
        fees=sum((amount for _, amount in fees), ZERO),
        unit_revenue=None if unit == "user" else totals,
    )


def _with_cells(use: UnitUse, cells: Mapping[Cell, Fraction]) -> UnitUse:
    return use._replace(revenue={c: amount for c, amount in cells.items() if use.tokens.get(c)})
