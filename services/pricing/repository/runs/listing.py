"""Runs of an agent, the latest or the dearest first."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import PricedBy, RunPrices
from services.pricing.domain.growth.windows import Window
from services.pricing.repository.runs.costing import costs_with, price_values, read_circumstances
from services.pricing.repository.runs.parts import OWN, parts_of_days
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account
from shared.clock import day_start

Order = Literal["latest", "dearest"]


class AgentRun(NamedTuple):
    """What an agent did in a run: its own calls, in 1/scale dollars; `status` is the run's."""

    tenant_id: str
    run_id: str
    parent_run_id: str
    versions: Sequence[str]
    status: str
    first_at: datetime
    last_at: datetime
    calls: int
    tokens: Decimal
    cost: Decimal
    unpriced: bool
    outcomes: int


@dataclass(frozen=True)
class RunsQuestion:
    """Runs of an agent that ended in some days, of one tenant or of all."""

    account: Account
    agent: str
    window: Window
    tenant_id: str | None = None
    order: Order = "latest"

    @property
    def values(self) -> dict[str, Any]:
        """Return the parameters of its queries."""
        first = day_start(self.window.first)
        return {
            **keys(self.account),
            "agent": self.agent,
            "tenant_id": self.tenant_id or "",
            "outcome": "",
            "starts": [first],
            "ends": [day_start(self.window.end)],
            "since": first,
        }


async def read_priced_by(connection: AsyncConnection, question: RunsQuestion) -> list[PricedBy]:
    """Return what the prices of the runs' usage depend on."""
    return await read_circumstances(connection, _PARTS, question.values)


async def list_runs(
    connection: AsyncConnection, question: RunsQuestion, prices: RunPrices, *, limit: int
) -> list[AgentRun]:
    """Return at most so many runs."""
    values = question.values | price_values(prices) | {"limit": limit}
    rows = await connection.execute(_LATEST if question.order == "latest" else _DEAREST, values)
    return [AgentRun(*row) for row in rows.all()]


_TENANT = "(:tenant_id = '' or tenant_id = :tenant_id)"
_PARTS = parts_of_days(
    runs=f"""and (tenant_id, run_id) in (
            select tenant_id, run_id from pricing.run_part
            where {OWN} and {_TENANT} and agent = :agent and events > 0
        )""",  # noqa: S608 - our own names
    parts="and agent = :agent",
)
_CARRIED = ("tenant_id", "run_id")
_RUNS = f"""
    with {_PARTS}, {costs_with(*_CARRIED)}, lines as (
        select tenant_id, run_id, parent_run_id, version, run_status, first_at, last_at,
            events as calls, 0 as tokens, 0 as cost, false as unpriced, 0 as outcomes
        from parts
        union all
        select tenant_id, run_id, '', null, null, null, null, 0, tokens, cost, unpriced, 0
        from costs
        union all
        select tenant_id, run_id, '', null, null, null, null, 0, 0, 0, false, told.events
        from parts join (
            select tenant_id, part_key, events from pricing.run_outcome where {OWN}
        ) told using (tenant_id, part_key)
    )
    select tenant_id, run_id, max(parent_run_id),
        array_agg(distinct version order by version) filter (where version is not null),
        min(run_status), min(first_at), max(last_at) as ended_at, sum(calls), sum(tokens),
        sum(cost) as cost, bool_or(unpriced), sum(outcomes)
    from lines group by tenant_id, run_id
"""  # noqa: S608 - our own names
_LATEST = text(f"{_RUNS} order by ended_at desc, tenant_id, run_id limit :limit")
_DEAREST = text(f"{_RUNS} order by cost desc, ended_at desc, tenant_id, run_id limit :limit")
