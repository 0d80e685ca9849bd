"""How tokens or revenue grew: by factor, by cohort."""

import asyncio
from dataclasses import dataclass
from datetime import date
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.growth import Growth, growth_of_revenue, growth_of_tokens
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.growth.sides import Sold, Unit, Used, name_of, sides_of, unnamed_in
from services.pricing.handlers.growth.windows import Span, currency_of, windows_of
from services.pricing.repository.growth import revenue, usage
from shared.accounts.repository import Account

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
    windows, unit = windows_of(question.span), question.unit
    used = Used(
        await usage.read_unit_tokens(connection, account, unit, windows),
        await usage.count_active_days(connection, account, unit, windows),
        await usage.list_units_before(connection, account, unit, windows[0].first),
    )
    sold, currency, open_periods = None, None, 0
    if question.of == "revenue":
        currency = await currency_of(connection, account, question.currency)
        open_periods = await revenue.count_open_periods(connection, account, windows[1].end)
        sold = await _read_sold(connection, account, currency, windows)
    # In a thread: it takes seconds for thousands of tenants, and others wait for the loop.
    growth, unnamed = await asyncio.to_thread(_grown, unit, windows, used, sold)
    return GrowthAnswer(
        question,
        *windows,
        growth,
        currency,
        await usage.read_sealed_through(connection, account),
        open_periods,
        unnamed,
    )


async def _read_sold(
    connection: AsyncConnection,
    account: Account,
    currency: str | None,
    windows: tuple[Window, Window],
) -> Sold:
    """Return what statements say of both windows; nothing, while there is none."""
    if currency is None:
        return Sold()
    return Sold(
        await revenue.read_usage_revenue(connection, account, currency, windows, BY),
        await revenue.read_fees(connection, account, currency, windows),
    )


def _grown(
    unit: Unit, windows: tuple[Window, Window], used: Used, sold: Sold | None
) -> tuple[Growth, tuple[int, int]]:
    before, after = sides_of(unit, windows, used, sold)
    earlier = {name_of(tenant, own) for tenant, own in used.earlier}
    grow = growth_of_tokens if sold is None else growth_of_revenue
    return grow(before, after, earlier), (unnamed_in(before, unit), unnamed_in(after, unit))
