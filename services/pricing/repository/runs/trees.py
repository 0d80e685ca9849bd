"""Runs around a run: its ancestors, and all that is below them."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.agents.run_prices import RunPrices
from services.pricing.domain.agents.run_tree import OutcomeTold
from services.pricing.repository.runs.costing import costs_with, price_values, read_unpriced
from services.pricing.repository.runs.figures import SOURCE
from services.pricing.repository.runs.parts import OWN, PARTS_OF_RUNS
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account


class PartRow(NamedTuple):
    """A part of a run as it is stored; `version` may be that of the run's other parts."""

    run_id: str
    parent_run_id: str
    agent: str
    version: str
    status: str
    first_at: datetime
    last_at: datetime
    events: int


class RunCost(NamedTuple):
    """What a run used in tokens, and cost as far as it has a price, in 1/scale dollars."""

    run_id: str
    cost: Decimal
    tokens: Decimal


async def list_family(
    connection: AsyncConnection, account: Account, tenant_id: str, run_id: str, *, limit: int
) -> list[str]:
    """Return the ids of runs that are linked to a run, near ones first, itself too.

    Ids that others name as their parent are among them, seen or not. A circle ends: an id that is
    there already is not looked at again.
    """
    values = {**keys(account), "tenant_id": tenant_id, "run_id": run_id, "limit": limit}
    return list((await connection.scalars(_FAMILY, values)).all())


def values_of(account: Account, tenant_id: str, run_ids: Sequence[str]) -> dict[str, Any]:
    """Return the parameters of queries over `PARTS_OF_RUNS`."""
    return {**keys(account), "tenant_id": tenant_id, "run_ids": list(run_ids), "outcome": ""}


async def list_parts(connection: AsyncConnection, values: dict[str, Any]) -> list[PartRow]:
    return [PartRow(*row) for row in (await connection.execute(_PARTS, values)).all()]


async def read_costs(
    connection: AsyncConnection, values: dict[str, Any], prices: RunPrices
) -> list[RunCost]:
    """Return what each of the runs cost."""
    rows = await connection.execute(_COSTS, values | price_values(prices))
    return [RunCost(*row) for row in rows.all()]


async def read_unpriced_by_run(
    connection: AsyncConnection, values: dict[str, Any], prices: RunPrices
) -> dict[str, dict[str, Fraction]]:
    """Return by run and kind what nobody knows the cost of."""
    found: dict[str, dict[str, Fraction]] = defaultdict(dict)
    if not prices.complete:
        known = values | price_values(prices)
        rows = await read_unpriced(connection, PARTS_OF_RUNS, known, by=("run_id",))
        for run_id, kind, quantity in rows:
            found[run_id][kind] = Fraction(quantity)
    return found


async def read_outcomes(
    connection: AsyncConnection, values: dict[str, Any]
) -> dict[str, list[OutcomeTold]]:
    """Return by run what came of it, by name and source."""
    found: dict[str, list[OutcomeTold]] = defaultdict(list)
    for run_id, name, source, outcomes, value in (
        await connection.execute(_OUTCOMES, values)
    ).all():
        found[run_id].append(OutcomeTold(name, source, int(outcomes), Fraction(value)))
    return found


_SEEN = f"{OWN} and tenant_id = :tenant_id and events > 0"
_FAMILY = text(
    f"""
    with recursive family as (
        select cast(:run_id as text) as run_id
        union
        select linked.run_id from family cross join lateral (
            select parent_run_id as run_id from pricing.run_part
            where {_SEEN} and run_part.run_id = family.run_id and parent_run_id <> ''
            union all
            select run_id from pricing.run_part
            where {_SEEN} and parent_run_id = family.run_id
        ) linked
    )
    select run_id from family limit :limit
    """  # noqa: S608 - our own names
)
_PARTS = text(
    f"with {PARTS_OF_RUNS} select {', '.join(PartRow._fields)} from parts"  # noqa: S608 - our own names
)
_COSTS = text(
    f"""
    with {PARTS_OF_RUNS}, {costs_with("run_id")}
    select run_id, sum(cost), sum(tokens) from costs group by run_id
    """  # noqa: S608 - our own names
)
_OUTCOMES = text(
    f"""
    with {PARTS_OF_RUNS}
    select run_id, name, source, sum(events), sum(value) from (
        select run_id, name, {SOURCE} as source, told.events, value
        from parts join (
            select tenant_id, part_key, name, source, events, value from pricing.run_outcome
            where {OWN} and tenant_id = :tenant_id and (events <> 0 or value <> 0)
        ) told using (tenant_id, part_key)
    ) named
    group by 1, 2, 3 order by 1, 2, 3
    """  # noqa: S608 - our own names
)
