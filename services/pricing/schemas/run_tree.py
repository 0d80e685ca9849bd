"""HTTP models of a run's tree, and of an agent's runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Literal

from pydantic import BaseModel, Field

from services.pricing.domain.agents.run_tree import OutcomeTold, RunFacts, RunNode
from services.pricing.domain.growth.shown import shown
from services.pricing.handlers.agent_run_list import AgentRunsAnswer
from services.pricing.handlers.run_trees import RunTreeAnswer
from services.pricing.repository.runs.listing import AgentRun, Order
from services.pricing.schemas.agent_runs import QuantityRead, Source, quantities
from services.pricing.schemas.growth.growth import Shown

RunStatus = Literal["completed", "aborted", "failed"]


class AgentNameRead(BaseModel):
    agent: str
    version: str = Field(description="empty: events name none")


class OutcomeToldRead(BaseModel):
    name: str
    source: Source
    outcomes: int
    value: Shown


class RunNodeRead(BaseModel):
    """A run of a tree. US dollars; a cost is null while nothing of it has a price."""

    run_id: str
    parent_run_id: str | None
    depth: int = Field(description="0: the root")
    seen: bool = Field(description="false: others name it, no event of its own came")
    unlinked: bool = Field(description="its parent was never seen")
    agents: list[AgentNameRead]
    status: RunStatus | None = Field(description="that of its latest event")
    first_at: datetime | None
    last_at: datetime | None
    seconds: Shown | None = Field(description="from its first event to its last")
    calls: int
    tokens: Shown
    own_cost: Shown | None
    own_complete: bool
    tree_cost: Shown | None = Field(description="of the run and of all below it, each once")
    tree_complete: bool
    tree_runs: int = Field(description="seen ones, itself too")
    unpriced: list[QuantityRead] = Field(description="of its own, whose cost nobody knows")
    outcomes: list[OutcomeToldRead]


class RunTreeRead(BaseModel):
    """The whole tree of a run, from the root down, each run before those below it."""

    tenant: str
    run_id: str
    root_run_id: str
    cost: Shown | None = Field(description="of the whole tree")
    complete: bool
    circular: bool = Field(description="parents went in a circle, which is cut above the root")
    truncated: bool = Field(description="there are more runs: sums lack them")
    runs: list[RunNodeRead]


def run_tree_read(answer: RunTreeAnswer) -> RunTreeRead:
    """Return a tree as it is shown."""
    nodes = [_node(node) for node in answer.tree.nodes]
    return RunTreeRead(
        tenant=answer.tenant_id,
        run_id=answer.asked,
        root_run_id=nodes[0].run_id,
        cost=nodes[0].tree_cost,
        complete=nodes[0].tree_complete,
        circular=answer.tree.circular,
        truncated=answer.truncated,
        runs=nodes,
    )


def cost_read(cost: Fraction, *, complete: bool) -> str | None:
    """Return a cost as it is shown; None for 0 that is only what is known of it."""
    return shown(cost) if cost or complete else None


def _node(node: RunNode) -> RunNodeRead:
    run = node.run
    tree = {
        "run_id": node.run_id,
        "depth": node.depth,
        "seen": run is not None,
        "unlinked": node.unlinked,
        "tree_cost": cost_read(node.tree_cost, complete=node.complete),
        "tree_complete": node.complete,
        "tree_runs": node.runs,
    }
    return RunNodeRead.model_validate(tree | (_UNSEEN if run is None else _own(run)))


_UNSEEN: dict[str, object] = {
    **dict.fromkeys(("parent_run_id", "status", "first_at", "last_at", "seconds", "own_cost")),
    "agents": [],
    "calls": 0,
    "tokens": "0",
    "own_complete": True,
    "unpriced": [],
    "outcomes": [],
}


def _own(run: RunFacts) -> dict[str, object]:
    seconds = Fraction((run.last_at - run.first_at) // timedelta(microseconds=1), 1_000_000)
    return {
        "parent_run_id": run.parent or None,
        "agents": [AgentNameRead(agent=name, version=version) for name, version in run.agents],
        "status": run.status,
        "first_at": run.first_at,
        "last_at": run.last_at,
        "seconds": shown(seconds),
        "calls": run.calls,
        "tokens": shown(run.tokens),
        "own_cost": cost_read(run.cost, complete=not run.unpriced),
        "own_complete": not run.unpriced,
        "unpriced": quantities(run.unpriced),
        "outcomes": _outcomes(run.outcomes),
    }


def _outcomes(told: Sequence[OutcomeTold]) -> list[OutcomeToldRead]:
    return [
        OutcomeToldRead.model_validate(
            {
                "name": one.name,
                "source": one.source,
                "outcomes": one.outcomes,
                "value": shown(one.value),
            }
        )
        for one in told
    ]


class AgentRunRead(BaseModel):
    """What an agent did in a run: the cost of its own calls, in US dollars."""

    tenant: str
    run_id: str
    parent_run_id: str | None
    versions: list[str]
    status: RunStatus = Field(description="of the run: that of its latest event")
    first_at: datetime
    last_at: datetime
    calls: int
    tokens: Shown
    cost: Shown | None = Field(description="null: nothing of it has a price")
    cost_complete: bool
    outcomes: int


class AgentRunsRead(BaseModel):
    """Runs of an agent that ended in some days."""

    agent: str
    order: Order
    runs: list[AgentRunRead]
    more: bool = Field(description="there are others: ask for fewer days")


def agent_runs_read(answer: AgentRunsAnswer) -> AgentRunsRead:
    """Return an agent's runs as they are shown."""
    return AgentRunsRead(
        agent=answer.question.agent,
        order=answer.question.order,
        runs=[_agent_run(run, answer) for run in answer.runs],
        more=answer.more,
    )


def _agent_run(run: AgentRun, answer: AgentRunsAnswer) -> AgentRunRead:
    cost = answer.prices.dollars(run.cost)
    return AgentRunRead.model_validate(
        {
            **run._asdict(),
            "tenant": run.tenant_id,
            "parent_run_id": run.parent_run_id or None,
            "tokens": shown(Fraction(run.tokens)),
            "cost": cost_read(cost, complete=not run.unpriced),
            "cost_complete": not run.unpriced,
        }
    )
