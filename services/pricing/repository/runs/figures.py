"""Figures of agents over their runs: sums of squares too, as intervals need them.

A run belongs to the days on which its last event happened, with all that it ever cost; its status
is that of this event. An agent's part of it is what the agent's own calls cost.
"""

from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import PricedBy, RunPrices
from services.pricing.domain.agents.run_sums import STATED, UNSTATED, OutcomeSums, RunSums
from services.pricing.domain.growth.windows import Window
from services.pricing.repository.agents import Agent
from services.pricing.repository.runs.costing import (
    costs_with,
    price_values,
    read_circumstances,
    read_unpriced,
)
from services.pricing.repository.runs.parts import OWN, parts_of_days
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account
from shared.clock import day_start

Seen = dict[str, tuple[datetime, datetime]]
"""Version → when its runs' first and last events happened."""


class FigureKey(NamedTuple):
    """Whose figures in which window; `version` None: of all versions of the agent."""

    window: int
    agent: Agent
    version: str | None


@dataclass(frozen=True)
class FigureQuestion:
    """Runs that ended in one of the windows; `outcome` is the unit that counts outcomes, if any."""

    account: Account
    windows: Sequence[Window]
    outcome: str | None = None

    @property
    def values(self) -> dict[str, Any]:
        """Return the parameters of its queries."""
        return {
            **keys(self.account),
            "starts": [day_start(window.first) for window in self.windows],
            "ends": [day_start(window.end) for window in self.windows],
            "since": day_start(min(window.first for window in self.windows)),
            "outcome": self.outcome or "",
        }


async def read_priced_by(connection: AsyncConnection, question: FigureQuestion) -> list[PricedBy]:
    """Return what the prices of the runs' usage depend on."""
    return await read_circumstances(connection, _PARTS, question.values)


async def read_figures(
    connection: AsyncConnection, question: FigureQuestion, prices: RunPrices
) -> tuple[dict[FigureKey, RunSums], dict[FigureKey, list[OutcomeSums]]]:
    """Return sums over runs, and over runs by name and source of their outcomes."""
    rows = await connection.execute(_FIGURES, question.values | price_values(prices))
    # Of many agents and versions there are many, and others are answered meanwhile.
    return await to_thread(_sums, rows.all(), prices)


async def read_unpriced_kinds(
    connection: AsyncConnection, question: FigureQuestion, prices: RunPrices
) -> dict[tuple[int, Agent], dict[str, Fraction]]:
    """Return by window, agent and kind what runs used and nobody knows the cost of."""
    found: dict[tuple[int, Agent], dict[str, Fraction]] = {}
    if prices.complete:
        return found
    values = question.values | price_values(prices)
    by = ("number", "tenant_id", "agent")
    for number, tenant, agent, kind, quantity in await read_unpriced(
        connection, _PARTS, values, by=by
    ):
        found.setdefault((number, Agent(tenant, agent)), {})[kind] = Fraction(quantity)
    return found


async def read_versions(connection: AsyncConnection, account: Account) -> dict[Agent, Seen]:
    """Return when each version of each agent was first and last seen in a run."""
    found: dict[Agent, Seen] = {}
    rows = (await connection.execute(_VERSIONS, keys(account))).all()
    for tenant, agent, version, first, last in rows:
        found.setdefault(Agent(tenant, agent), {})[version] = (first, last)
    return found


def _sums(
    rows: Sequence[Any], prices: RunPrices
) -> tuple[dict[FigureKey, RunSums], dict[FigureKey, list[OutcomeSums]]]:
    runs: dict[FigureKey, RunSums] = {}
    outcomes: dict[FigureKey, list[OutcomeSums]] = {}
    for window, tenant, agent, by_version, version, name, source, of_runs, of_outcomes in rows:
        key = FigureKey(window, Agent(tenant, agent), version if by_version else None)
        if source is None:
            runs[key] = _runs(of_runs, prices)
        else:
            outcomes.setdefault(key, []).append(_outcomes(name, source, of_outcomes, prices))
    return runs, outcomes


def _runs(numbers: Sequence[Decimal | None], prices: RunPrices) -> RunSums:
    runs, aborted, failed, unpriced, valued, calls = (int(one or 0) for one in numbers[:6])
    tokens, cost, wasted, priced_cost, squares, p50, p95 = numbers[6:]
    return RunSums(
        runs,
        statuses={"aborted": aborted, "failed": failed},
        unpriced=unpriced,
        valued=valued,
        calls=calls,
        tokens=Fraction(tokens or 0),
        cost=prices.dollars(cost),
        wasted=prices.dollars(wasted),
        priced_cost=prices.dollars(priced_cost),
        squares=prices.dollars(squares) / prices.scale,
        p50=None if p50 is None else prices.dollars(p50),
        p95=None if p95 is None else prices.dollars(p95),
    )


def _outcomes(
    name: str, source: str, numbers: Sequence[Decimal | None], prices: RunPrices
) -> OutcomeSums:
    outcomes, successes, runs, squares = (int(one or 0) for one in numbers[:4])
    value, products = numbers[4:]
    return OutcomeSums(
        name,
        source,
        outcomes=outcomes,
        value=Fraction(value or 0),
        successes=successes,
        runs=runs,
        squares=squares,
        products=prices.dollars(products),
    )


_PARTS = parts_of_days()
_STATED = ", ".join(f"'{one}'" for one in STATED)
SOURCE = f"""case when split_part(source, ':', 1) in ({_STATED})
                then split_part(source, ':', 1) else '{UNSTATED}' end"""
_CARRIED = ("number", "tenant_id", "agent", "version", "run_id", "run_status")
_KEYS = ", ".join(_CARRIED)
_GROUP = "number, tenant_id, agent, by_version, version"
_KNOWN = "filter (where source is null and not unpriced)"
_COSTS = f"(array_agg(cost order by cost) {_KNOWN})"
_RANK = f"[(count(*) {_KNOWN} * {{}} + 99) / 100]"
_FIGURES = text(
    f"""
    with {_PARTS}, {costs_with(*_CARRIED)}, lines as (
        select {_KEYS}, events as calls, 0 as cost, false as unpriced, 0 as tokens,
            cast(null as text) as name, cast(null as text) as source,
            0 as outcomes, 0 as successes, 0 as value
        from parts
        union all
        select {_KEYS}, 0, cost, unpriced, tokens, null, null, 0, 0, 0 from costs
        union all
        select {_KEYS}, 0, 0, false, 0, name,
            {SOURCE},
            told.events, case when status = 'completed' then told.events else 0 end, value
        from parts join (
            select tenant_id, part_key, name, source, events, value from pricing.run_outcome
            where {OWN} and (events <> 0 or value <> 0)
        ) told using (tenant_id, part_key)
    ), each as (
        select number, tenant_id, agent, by_version,
            case when by_version then version else '' end as version, run_id, name, source,
            min(run_status) as status, sum(calls) as calls, sum(cost) as cost,
            bool_or(unpriced) as unpriced, sum(tokens) as tokens,
            sum(outcomes) as outcomes, sum(successes) as successes, sum(value) as value
        from lines cross join (values (false), (true)) as both_ways (by_version)
        group by 1, 2, 3, 4, 5, 6, 7, 8
    ), runs as (
        select *, sum(cost) over same as run_cost, bool_or(outcomes > 0) over same as valued
        from each window same as (partition by {_GROUP}, run_id)
    )
    select {_GROUP}, name, source, array[
        count(*), count(*) filter (where status = 'aborted'),
        count(*) filter (where status = 'failed'), count(*) filter (where unpriced),
        count(*) filter (where valued), sum(calls), sum(tokens),
        sum(cost), sum(cost) filter (where status <> 'completed'),
        sum(cost) filter (where not unpriced), sum(cost * cost) filter (where not unpriced),
        {_COSTS}{_RANK.format(50)}, {_COSTS}{_RANK.format(95)}
    ] as of_runs, array[
        sum(outcomes), sum(successes), count(*) filter (where successes > 0),
        sum(successes * successes), sum(value), sum(run_cost * successes)
    ] as of_outcomes
    from runs group by {_GROUP}, name, source
    """  # noqa: S608 - our own names
)
"""A run has a row of its own (no source), and one for each name and source of its outcomes."""

_VERSIONS = text(
    f"""
    select tenant_id, agent, agent_version, min(first_at), max(last_at) from pricing.run_part
    where {OWN} and events > 0 group by tenant_id, agent, agent_version
    """  # noqa: S608 - our own names
)
