"""The roster: each agent with what it used, cost and brought in."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.roster import AgentDay, AgentUse
from services.pricing.domain.growth.costs import DayCosts
from services.pricing.domain.growth.windows import Window
from services.pricing.handlers.agent_runs import NO_RUNS, AgentRuns, read_agent_runs
from services.pricing.handlers.growth import windows as asked
from services.pricing.handlers.growth.windows import currency_of, windows_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository import agents
from services.pricing.repository.agent_cards import list_standing, standing_of
from services.pricing.repository.agents import Agent, AgentUsage, Span
from services.pricing.repository.growth import revenue
from services.pricing.repository.growth.usage import read_sealed_through
from shared.accounts.repository import Account
from shared.clock import utc_day

BY = ("tenant", "agent")


@dataclass(frozen=True)
class RosterQuestion:
    """Agents over some days, and the days before; `outcome` is the unit that counts outcomes."""

    span: asked.Span
    outcome: str | None = None
    currency: str | None = None


@dataclass(frozen=True)
class AgentRow:
    """An agent; `revenue` is what its usage brought in, in the answer's currency."""

    agent: Agent
    seen: tuple[date, date]
    before: AgentUse
    after: AgentUse
    revenue: Fraction
    users: int
    runs: AgentRuns
    card: RowMapping | None

    @property
    def in_use(self) -> bool:
        """Whether it used anything, or a run of it ended, in the days that are asked for."""
        return self.after.active_days > 0 or self.after.cost > 0 or self.runs.now is not None


@dataclass(frozen=True)
class RosterAnswer:
    """All agents that used anything in either span of days, the dearest first."""

    question: RosterQuestion
    base: Window
    window: Window
    currency: str | None
    sealed_through: date | None
    open_periods: int
    span: Span
    rows: Sequence[AgentRow]


async def read_roster(
    connection: AsyncConnection, account: Account, question: RosterQuestion
) -> RosterAnswer:
    """Answer from one snapshot: the connection's transaction is REPEATABLE READ."""
    base, window = windows_of(question.span)
    used = await agents.read_usage(connection, account, (base, window))
    costs = DayCosts(await load_prices(connection, account))
    # It takes seconds where agents are many.
    before, after = await asyncio.to_thread(_uses, used, costs, question.outcome)
    currency = await currency_of(connection, account, question.currency)
    earned = await _earned(connection, account, currency, window)
    runs = await read_agent_runs(connection, account, (base, window), question.outcome)
    seen = _seen(runs) | await agents.read_seen(connection, account)
    users = await agents.count_users(connection, account, window)
    cards = await list_standing(connection, account)
    nothing = AgentUse()
    rows = [
        AgentRow(
            agent,
            seen[agent],
            before.get(agent, nothing),
            after.get(agent, nothing),
            earned.get(agent, Fraction(0)),
            users.get(agent, 0),
            runs.get(agent, NO_RUNS),
            standing_of(cards, agent),
        )
        for agent in before.keys() | after.keys() | runs.keys()
        if agent in seen
    ]
    rows.sort(key=lambda row: (-row.after.cost, -row.after.tokens, row.agent))
    return RosterAnswer(
        question,
        base,
        window,
        currency,
        await read_sealed_through(connection, account),
        await revenue.count_open_periods(connection, account, window.end),
        await agents.read_span(connection, account, window),
        rows,
    )


def _uses(
    used: Sequence[AgentUsage], costs: DayCosts, outcome: str | None
) -> tuple[Mapping[Agent, AgentUse], Mapping[Agent, AgentUse]]:
    found: tuple[dict[Agent, AgentUse], dict[Agent, AgentUse]] = (
        defaultdict(AgentUse),
        defaultdict(AgentUse),
    )
    for row in used:
        use, of = found[row.window][row.agent], row.usage
        prices = costs.prices(of, row.days)
        for day, price, many in zip(row.days, prices, row.quantities, strict=True):
            quantity = Fraction(many)
            cost = None if price is None else price * quantity
            named = (of.kind, of.model, of.status, of.purpose)
            use.add(AgentDay(day, *named, quantity, cost), outcome)
    return found


def _seen(runs: Mapping[Agent, AgentRuns]) -> dict[Agent, tuple[date, date]]:
    """Return the days of agents by their runs: of some nothing but outcomes is told."""
    return {
        agent: (
            min(utc_day(one.first_at) for one in of.versions),
            max(utc_day(one.last_at) for one in of.versions),
        )
        for agent, of in runs.items()
    }


async def _earned(
    connection: AsyncConnection, account: Account, currency: str | None, window: Window
) -> dict[Agent, Fraction]:
    if currency is None:
        return {}
    found: dict[Agent, Fraction] = defaultdict(Fraction)
    for row in await revenue.read_usage_revenue(connection, account, currency, [window], BY):
        tenant, agent = (value or "" for value in row.values)
        found[Agent(tenant, agent)] += row.amount
    return found
