"""The SQL of dead letters: rejected events, and what people did about them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.domain.versions import Position
from services.metering.tables import dead_letter_action, rejected
from shared.accounts.repository import Account


@dataclass(frozen=True)
class Selection:
    """Which dead letters: empty texts and None mean any; `since` is inclusive."""

    vendor_id: str = ""
    code: str = ""
    since: datetime | None = None
    closed_too: bool = False


def _last_action(name: str) -> Any:
    """Return a column of the newest action that had an effect, as a correlated subquery."""
    action = dead_letter_action
    return (
        select(action.c[name])
        .where(
            action.c.partition == rejected.c.partition,
            action.c.offset == rejected.c.offset,
            action.c.index == rejected.c.index,
            action.c.result != "refused",
        )
        .order_by(action.c.id.desc())
        .limit(1)
        .scalar_subquery()
    )


_STATE = func.coalesce(_last_action("action"), "open").label("state")


async def list_dead_letters(
    connection: AsyncConnection, selection: Selection, *, limit: int
) -> Sequence[RowMapping]:
    """Return rejected events with their `state` (open, replay, discard), newest first."""
    query = select(rejected, _STATE)
    if selection.vendor_id:
        query = query.where(rejected.c.vendor_id == selection.vendor_id)
    if selection.code:
        query = query.where(rejected.c.code == selection.code)
    if selection.since is not None:
        query = query.where(rejected.c.rejected_at >= selection.since)
    if not selection.closed_too:
        query = query.where(_last_action("action").is_(None))
    newest = query.order_by(rejected.c.rejected_at.desc(), rejected.c.offset.desc())
    return (await connection.execute(newest.limit(limit))).mappings().all()


async def read_dead_letter(connection: AsyncConnection, position: Position) -> RowMapping | None:
    """Return one with its state, locked until the transaction ends."""
    query = select(rejected, _STATE).where(
        tuple_(rejected.c.partition, rejected.c.offset, rejected.c.index) == position
    )
    found: RowMapping | None = (
        (await connection.execute(query.with_for_update(of=rejected))).mappings().one_or_none()
    )
    return found


async def list_actions(connection: AsyncConnection, position: Position) -> Sequence[RowMapping]:
    """Return what was done about a dead letter, oldest first."""
    columns = dead_letter_action.c
    query = select(dead_letter_action).where(
        tuple_(columns.partition, columns.offset, columns.index) == position
    )
    return (await connection.execute(query.order_by(columns.id))).mappings().all()


async def insert_action(
    connection: AsyncConnection, position: Position, values: dict[str, str]
) -> None:
    """Store an action's audit row: `action`, `actor`, `reason`, `result`, `message`."""
    partition, offset, index = position
    place = {"partition": partition, "offset": offset, "index": index}
    await connection.execute(dead_letter_action.insert(), [{**place, **values}])


async def count_open_by_code(connection: AsyncConnection, account: Account) -> Sequence[RowMapping]:
    """Return (code, count, oldest, newest) of an account's open dead letters."""
    query = (
        select(
            rejected.c.code,
            func.count().label("count"),
            func.min(rejected.c.rejected_at).label("oldest"),
            func.max(rejected.c.rejected_at).label("newest"),
        )
        .where(
            rejected.c.vendor_id == account.vendor_id,
            rejected.c.mode == account.mode,
            _last_action("action").is_(None),
        )
        .group_by(rejected.c.code)
        .order_by(rejected.c.code)
    )
    return (await connection.execute(query)).mappings().all()
