"""Envelopes themselves, their movements and approvals."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, Text, TextClause, cast, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Scope
from services.pricing.envelope_tables import envelope, envelope_approval, envelope_movement
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account

_COLUMNS = (envelope, cast(envelope.c.content, Text).label("written"))
_FITS = """
select name, cast(content as text) as written from pricing.envelope
where vendor_id = :vendor_id and mode = :mode and not ended
  and tenant in ('', :tenant) and team in ('', :team) and agent in ('', :agent)
  and "user" in ('', :user) and run in ('', :run)
order by name
"""
_MATCHING, _LOCK_MATCHING = text(_FITS), text(_FITS + "for update")


async def put(
    connection: AsyncConnection,
    account: Account,
    name: str,
    *,
    scope: Scope,
    content: dict[str, Any],
    now: datetime,
) -> None:
    """Store an envelope in place of one of its name; what was spent and held stays."""
    values = {field: getattr(scope, field) for field in SCOPE_FIELDS}
    values |= {"content": content, "ended": False, "changed_at": now}
    written = insert(envelope).values(**keys(account), name=name, created_at=now, **values)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(envelope.primary_key.columns), set_=values
        )
    )


async def end(connection: AsyncConnection, account: Account, name: str, *, now: datetime) -> bool:
    """End an envelope: it stands in nobody's way any more; False if there is none."""
    ended = (
        update(envelope)
        .where(owned(envelope, account, name=name))
        .values(ended=True, changed_at=now)
        .returning(envelope.c.name)
    )
    return (await connection.execute(ended)).first() is not None


async def read(
    connection: AsyncConnection, account: Account, name: str, *, lock: bool = False
) -> RowMapping | None:
    """Return an envelope that has not ended."""
    query = select(*_COLUMNS).where(owned(envelope, account, name=name, ended=False))
    query = query.with_for_update() if lock else query
    return (await connection.execute(query)).mappings().first()


async def list_all(connection: AsyncConnection, account: Account) -> Sequence[RowMapping]:
    """Return the envelopes that have not ended, by name."""
    query = select(*_COLUMNS).where(owned(envelope, account, ended=False))
    query = query.order_by(envelope.c.name)
    return (await connection.execute(query)).mappings().all()


async def lock_matching(
    connection: AsyncConnection, account: Account, work: Scope
) -> Sequence[RowMapping]:
    """Return the envelopes that some work falls into, by name, locked until the transaction ends.

    The order of the names is that of the locks: two reservers never wait for each other in a ring.
    """
    return await _read_matching(connection, _LOCK_MATCHING, account, work)


async def matching(
    connection: AsyncConnection, account: Account, work: Scope
) -> Sequence[RowMapping]:
    """Return the same without a lock, for what decides nothing."""
    return await _read_matching(connection, _MATCHING, account, work)


async def _read_matching(
    connection: AsyncConnection, statement: TextClause, account: Account, work: Scope
) -> Sequence[RowMapping]:
    values = {**keys(account), **{name: getattr(work, name) for name in SCOPE_FIELDS}}
    rows: Sequence[RowMapping] = (await connection.execute(statement, values)).mappings().all()
    return rows


async def accounts_with_envelopes(connection: AsyncConnection) -> set[Account]:
    """Return all accounts that have an envelope."""
    query = select(envelope.c.vendor_id, envelope.c.mode).where(~envelope.c.ended).distinct()
    return {Account(row.vendor_id, row.mode) for row in (await connection.execute(query)).all()}


async def add_movements(
    connection: AsyncConnection, account: Account, name: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Append raises and transfers of one period of an envelope."""
    written = [{**keys(account), "name": name, **row} for row in rows]
    await connection.execute(insert(envelope_movement), written)


async def moved_names(connection: AsyncConnection, account: Account, since: date) -> set[str]:
    """Return the envelopes with a movement of a period that began on a day or later."""
    moved = envelope_movement.c
    query = select(moved.name).where(owned(envelope_movement, account), moved.period_start >= since)
    return set((await connection.scalars(query.distinct())).all())


async def approve(
    connection: AsyncConnection, account: Account, name: str, values: dict[str, Any]
) -> None:
    """Store an approval of a run, in place of one before."""
    written = insert(envelope_approval).values(**keys(account), name=name, **values)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=list(envelope_approval.primary_key.columns), set_=values
        )
    )
