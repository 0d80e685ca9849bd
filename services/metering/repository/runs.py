"""The SQL of runs: what a flush adds, what the API reads, and what is too old to be kept."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import polars as pl
from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository.copying import copy_frame
from shared.accounts.repository import Account

_KEYS = {
    "run_rollup": ("partition", "row_key"),
    "run_usage": ("partition", "row_key", "usage_key"),
    "run_outcome": ("partition", "row_key", "name", "source"),
}
_ADD = {
    "run_rollup": (
        "events = r.events + excluded.events, first_at = least(r.first_at, excluded.first_at), "
        "last_at = greatest(r.last_at, excluded.last_at)"
    ),
    "run_usage": "quantity = r.quantity + excluded.quantity, events = r.events + excluded.events",
    "run_outcome": "value = r.value + excluded.value, events = r.events + excluded.events",
}


async def add_runs(
    connection: AsyncConnection,
    parts: pl.DataFrame,
    usage: pl.DataFrame,
    outcomes: pl.DataFrame,
    changed: pl.DataFrame,
) -> None:
    """Add a flush's rows, in the order of their keys, and mark what they change."""
    tables = (("run_rollup", parts), ("run_usage", usage), ("run_outcome", outcomes))
    for table, rows in tables:
        if not rows.is_empty():
            await _add(connection, table, rows)
    await copy_frame(connection, "changed_run", changed, schema="metering")


async def _add(connection: AsyncConnection, table: str, rows: pl.DataFrame) -> None:
    stage, columns, key = f"{table}_stage", ", ".join(rows.columns), ", ".join(_KEYS[table])
    await connection.execute(
        text(
            f"create temp table if not exists {stage} (like metering.{table}) on commit delete rows"
        )
    )
    await copy_frame(connection, stage, rows)
    await connection.execute(
        text(
            f"insert into metering.{table} as r ({columns}) "  # noqa: S608 - names from our own tables
            f"select {columns} from {stage} order by {key} "
            f"on conflict ({key}) do update set {_ADD[table]}"
        )
    )


async def delete_old_runs(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete runs whose last event is older; return how many rows. Rows in use are left."""
    result = await connection.execute(
        text(
            """
            with old as (
                select partition, row_key from metering.run_rollup where last_at < :before
                limit :limit for update skip locked
            ), usage as (
                delete from metering.run_usage u using old o
                where u.partition = o.partition and u.row_key = o.row_key
            ), outcomes as (
                delete from metering.run_outcome u using old o
                where u.partition = o.partition and u.row_key = o.row_key
            )
            delete from metering.run_rollup r using old o
            where r.partition = o.partition and r.row_key = o.row_key
            """
        ),
        {"before": before, "limit": limit},
    )
    return result.rowcount


@dataclass(frozen=True)
class RunCondition:
    """Runs of a tenant, latest first, behind the one at `after` (its last time and id)."""

    account: Account
    tenant_id: str
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    first: datetime | None = None
    end: datetime | None = None
    after: tuple[datetime, str] | None = None


_OWN = "vendor_id = :vendor_id and mode = :mode and tenant_id = :tenant_id"

# Partitions split a run's rows; so do another agent, parent or status. A run has one of each to
# show: that of its latest row.
_RUNS = f"""
    select run_id, min(first_at) as first_at, max(last_at) as last_at, sum(events) as events,
        (array_agg(parent_run_id order by last_at desc, parent_run_id))[1] as parent_run_id,
        (array_agg(status order by last_at desc, status))[1] as status,
        array_agg(distinct agent order by agent) as agents
    from (
        select run_id, parent_run_id, agent, status, min(first_at) as first_at,
            max(last_at) as last_at, sum(events) as events
        from metering.run_rollup where {_OWN}
        group by run_id, parent_run_id, agent, status having sum(events) > 0
    ) parts group by run_id
"""  # noqa: S608 - our own text


async def list_runs(
    connection: AsyncConnection, condition: RunCondition, *, limit: int
) -> Sequence[RowMapping]:
    """Return runs: id, parent, agents, status, first and last time, events."""
    wheres, values = ["true"], _values(condition)
    for name, wanted in condition.filters.items():
        wheres.append(f"agents && :{name}" if name == "agents" else f"{name} = any(:{name})")
        values[name] = list(wanted)
    if condition.first is not None:
        wheres.append("last_at >= :first")
        values["first"] = condition.first
    if condition.end is not None:
        wheres.append("first_at < :end")
        values["end"] = condition.end
    if condition.after is not None:
        wheres.append("(last_at, run_id) < (:after_at, :after_id)")
        values["after_at"], values["after_id"] = condition.after
    query = text(
        f"select * from ({_RUNS}) runs where {' and '.join(wheres)} "  # noqa: S608 - our own text
        "order by last_at desc, run_id desc limit :limit"
    )
    result = await connection.execute(query, values | {"limit": limit})
    return result.mappings().all()


# `union` drops what is there already, so that runs in a circle end.
_TREE = f"""
    with recursive edges as (
        select distinct run_id, parent_run_id from metering.run_rollup
        where {_OWN} and parent_run_id <> ''
    ), tree as (
        select id as root, id as run_id from unnest(cast(:run_ids as text[])) as id
        union
        select t.root, e.run_id from edges e join tree t on e.parent_run_id = t.run_id
    ), members as (
        select t.root, r.partition, r.row_key, r.events as run_events, t.root = t.run_id as own,
            r.run_id
        from tree t join metering.run_rollup r on r.run_id = t.run_id and {_OWN}
    )
"""  # noqa: S608 - our own text


async def read_run_sums(
    connection: AsyncConnection, condition: RunCondition, run_ids: Sequence[str]
) -> Sequence[RowMapping]:
    """Return by run, subject, name and source what each used itself, and with all runs below it."""
    values = _values(condition) | {"run_ids": list(run_ids)}
    return (await connection.execute(_SUMS, values)).mappings().all()


_SUMS = text(
    f"""
    {_TREE}, sums as (
        select root, own, 'kind' as subject, u.kind as name, '' as source, u.quantity, u.events
        from members join metering.run_usage u using (partition, row_key)
        union all
        select root, own, 'outcome', o.name, o.source, o.value, o.events
        from members join metering.run_outcome o using (partition, row_key)
    )
    select root as run_id, subject, name, source,
        coalesce(sum(quantity) filter (where own), 0) as quantity,
        coalesce(sum(events) filter (where own), 0) as events,
        sum(quantity) as tree_quantity, sum(events) as tree_events
    from sums group by 1, 2, 3, 4 having sum(events) > 0 order by 1, 2, 3, 4
    """  # noqa: S608 - our own text
)


async def read_tree_sizes(
    connection: AsyncConnection, condition: RunCondition, run_ids: Sequence[str]
) -> dict[str, RowMapping]:
    """Return by run how many runs and events are in its tree, itself included."""
    query = text(
        f"{_TREE} select root, count(distinct run_id) filter (where run_events > 0) as runs, "  # noqa: S608 - our own text
        "sum(run_events) as events from members group by 1"
    )
    values = _values(condition) | {"run_ids": list(run_ids)}
    return {row["root"]: row for row in (await connection.execute(query, values)).mappings()}


def _values(condition: RunCondition) -> dict[str, Any]:
    account = condition.account
    return {
        "vendor_id": account.vendor_id,
        "mode": account.mode,
        "tenant_id": condition.tenant_id,
    }
