"""What a run cost, with the runs around it: the tree, rolled up to its root."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import RunPrices
from services.pricing.domain.agents.run_tree import OutcomeTold, RunFacts, RunTree, tree_of
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.repository.runs import trees
from services.pricing.repository.runs.costing import read_circumstances
from services.pricing.repository.runs.parts import PARTS_OF_RUNS
from services.pricing.repository.runs.trees import PartRow, RunCost
from shared.accounts.repository import Account
from shared.errors import not_found

RUNS_MAX = 10_000
"""Runs of a tree that are looked at; beyond it, those that are linked the least closely are not."""


@dataclass(frozen=True)
class RunTreeAnswer:
    """The tree of a tenant's run; `truncated`: there are more runs, and sums lack them."""

    tenant_id: str
    asked: str
    tree: RunTree
    truncated: bool


async def read_run_tree(
    connection: AsyncConnection, account: Account, tenant_id: str, run_id: str
) -> RunTreeAnswer:
    """Answer from one snapshot; raises `unknown_run` for one that no event ever named."""
    family = await trees.list_family(connection, account, tenant_id, run_id, limit=RUNS_MAX + 1)
    values = trees.values_of(account, tenant_id, family[:RUNS_MAX])
    parts = await trees.list_parts(connection, values)
    if not parts:
        raise not_found("run", run_id)
    listed = await load_prices(connection, account)
    circumstances = await read_circumstances(connection, PARTS_OF_RUNS, values)
    prices = await asyncio.to_thread(RunPrices.of, circumstances, listed)
    costs = await trees.read_costs(connection, values, prices)
    unpriced = await trees.read_unpriced_by_run(connection, values, prices)
    outcomes = await trees.read_outcomes(connection, values)
    known = _Known(costs, prices, unpriced, outcomes)
    tree = await asyncio.to_thread(_built, parts, known, run_id)  # of thousands of runs it takes
    return RunTreeAnswer(tenant_id, run_id, tree, truncated=len(family) > RUNS_MAX)


@dataclass(frozen=True)
class _Known:
    """What is known of runs beside their parts."""

    costs: Sequence[RunCost]
    prices: RunPrices
    unpriced: Mapping[str, Mapping[str, Fraction]]
    outcomes: Mapping[str, Sequence[OutcomeTold]]


def _built(parts: Sequence[PartRow], known: _Known, asked: str) -> RunTree:
    by_run: dict[str, list[PartRow]] = defaultdict(list)
    for part in parts:
        by_run[part.run_id].append(part)
    costs = {one.run_id: one for one in known.costs}
    return tree_of({run_id: _facts(own, known, costs) for run_id, own in by_run.items()}, asked)


def _facts(parts: Sequence[PartRow], known: _Known, costs: Mapping[str, RunCost]) -> RunFacts:
    run_id = parts[0].run_id
    cost = costs.get(run_id)
    last = max(part.last_at for part in parts)
    return RunFacts(
        run_id,
        parent=_parent(parts),
        agents=sorted({(part.agent, part.version) for part in parts}),
        status=min(part.status for part in parts if part.last_at == last),
        first_at=min(part.first_at for part in parts),
        last_at=last,
        calls=sum(part.events for part in parts),
        tokens=Fraction(cost.tokens) if cost else Fraction(0),
        cost=known.prices.dollars(cost.cost) if cost else Fraction(0),
        unpriced=known.unpriced.get(run_id, {}),
        outcomes=known.outcomes.get(run_id, ()),
    )


def _parent(parts: Sequence[PartRow]) -> str:
    """Return the parent that the latest event with one names.

    An outcome that is told later names the run, and not where it came from.
    """
    named = [part for part in parts if part.parent_run_id not in {"", part.run_id}]
    if not named:
        return ""
    last = max(part.last_at for part in named)
    return min(part.parent_run_id for part in named if part.last_at == last)
