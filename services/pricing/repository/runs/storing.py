"""Pricing's own copy of runs: cumulative rows, the highest version wins; old runs go."""

from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import Table, func, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys
from services.pricing.run_tables import TENANT, run_feed, run_outcome, run_part, run_usage
from shared.accounts.repository import Account
from shared.events.runs_aggregated import RunPart, RunsAggregated
from shared.ids import length_prefixed

KEY_BYTES = 16

Row = dict[str, Any]


async def store(connection: AsyncConnection, message: RunsAggregated) -> None:
    """Upsert a message's rows, each by itself; an equal or older version changes nothing.

    So messages of several parts of a run, twice or in any order, come to the same.
    """
    account = Account(message.vendor_id, message.mode)
    fixed = {**keys(account), "tenant_id": message.tenant_id, "version": message.version}
    await _upsert(connection, run_part, [fixed | _part(part) for part in message.parts])
    for table, rows in ((run_usage, _usage), (run_outcome, _outcomes)):
        told = [fixed | row for part in message.parts for row in rows(part)]
        await _upsert(connection, table, told)
    await _note_feed(connection, message, account)


async def delete_old(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete parts of runs without any event since; return how many. Rows in use are left."""
    result = await connection.execute(_DELETE, {"before": before, "limit": limit})
    return result.rowcount


async def _note_feed(
    connection: AsyncConnection, message: RunsAggregated, account: Account
) -> None:
    written = insert(run_feed).values(
        **keys(account), tenant_id=message.tenant_id, watermark=message.watermark, changes=1
    )
    latest = func.greatest(run_feed.c.watermark, written.excluded.watermark)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(TENANT),
            set_={"watermark": latest, "changes": run_feed.c.changes + 1},
        )
    )


def _key(part: RunPart) -> bytes:
    return bytes.fromhex(part.key)


def _part(part: RunPart) -> Row:
    return {"part_key": _key(part), **part.model_dump(exclude={"key", "usage", "outcomes"})}


def _usage(part: RunPart) -> Iterator[Row]:
    for row in part.usage:
        told = row.model_dump(exclude={"key"})
        yield {"part_key": _key(part), "row_key": bytes.fromhex(row.key), **told}


def _outcomes(part: RunPart) -> Iterator[Row]:
    for row in part.outcomes:
        key = sha256(length_prefixed(row.name, row.source)).digest()[:KEY_BYTES]
        yield {"part_key": _key(part), "row_key": key, **row.model_dump()}


async def _upsert(connection: AsyncConnection, table: Table, rows: list[Row]) -> None:
    if not rows:
        return
    key = [column.name for column in table.primary_key.columns]
    written = insert(table)
    newer = written.excluded
    statement = written.on_conflict_do_update(
        index_elements=key,
        set_={column.name: newer[column.name] for column in table.c if column.name not in key},
        where=table.c.version < newer.version,
    )
    # In the order of keys: two that write the same rows wait for each other, and never in a circle.
    rows.sort(key=lambda row: [row[name] for name in key])
    await connection.execute(statement, rows)


def _same(one: str, other: str) -> str:
    columns = (*TENANT, "part_key")
    return " and ".join(f"{one}.{name} = {other}.{name}" for name in columns)


_DELETE = text(
    f"""
    with old as materialized (
        select vendor_id, mode, tenant_id, part_key from pricing.run_part p
        where last_at < :before and not exists (
            select from pricing.run_part later
            where later.vendor_id = p.vendor_id and later.mode = p.mode
                and later.tenant_id = p.tenant_id and later.run_id = p.run_id
                and later.last_at >= :before
        )
        order by last_at limit :limit for update skip locked
    ), usage as (
        delete from pricing.run_usage u using old where {_same("u", "old")}
    ), outcomes as (
        delete from pricing.run_outcome o using old where {_same("o", "old")}
    )
    delete from pricing.run_part p using old where {_same("p", "old")}
    """  # noqa: S608 - our own names
)
"""By run, not by part: of a run that goes on, what began long ago stays."""
