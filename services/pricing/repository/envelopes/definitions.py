"""Envelopes themselves, their movements and approvals."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping, Select, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Scope
from services.pricing.envelope_tables import envelope, envelope_approval, envelope_movement
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account


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
    query = select(envelope).where(owned(envelope, account, name=name, ended=False))
    query = query.with_for_update() if lock else query
    return (await connection.execute(query)).mappings().first()


async def list_all(connection: AsyncConnection, account: Account) -> Sequence[RowMapping]:
    """Return the envelopes that have not ended, by name."""
    query = select(envelope).where(owned(envelope, account, ended=False)).order_by(envelope.c.name)
    return (await connection.execute(query)).mappings().all()


async def lock_matching(
    connection: AsyncConnection, account: Account, work: Scope
) -> Sequence[RowMapping]:
    """Return the envelopes that some work falls into, by name, locked until the transaction ends.

    The order of the names is that of the locks: two reservers never wait for each other in a ring.
    """
    query = _matching(account, work).with_for_update()
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


async def matching(
    connection: AsyncConnection, account: Account, work: Scope
) -> Sequence[RowMapping]:
    """Return the same without a lock, for what decides nothing."""
    query = _matching(account, work)
    rows: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return rows


def _matching(account: Account, work: Scope) -> Select[Any]:
    fits = [envelope.c[field].in_(["", getattr(work, field)]) for field in SCOPE_FIELDS]
    query = select(envelope).where(owned(envelope, account, ended=False), *fits)
    return query.order_by(envelope.c.name)


async def accounts_with_envelopes(connection: AsyncConnection) -> list[Account]:
    """Return all accounts that have an envelope."""
    query = select(envelope.c.vendor_id, envelope.c.mode).where(~envelope.c.ended).distinct()
    rows = (await connection.execute(query)).all()
    return sorted(
        (Account(row.vendor_id, row.mode) for row in rows),
        key=lambda one: (one.vendor_id, one.mode),
    )


async def add_movements(
    connection: AsyncConnection, account: Account, name: str, rows: Sequence[dict[str, Any]]
) -> None:
    """Append raises and transfers of one period of an envelope."""
    written = [{**keys(account), "name": name, **row} for row in rows]
    await connection.execute(insert(envelope_movement), written)


async def movements(
    connection: AsyncConnection, account: Account, periods: dict[str, date]
) -> Sequence[RowMapping]:
    """Return the movements of envelopes in their periods, in the order in which they were made."""
    query = (
        select(envelope_movement)
        .where(owned(envelope_movement, account), envelope_movement.c.name.in_(list(periods)))
        .order_by(envelope_movement.c.position)
    )
    rows = (await connection.execute(query)).mappings().all()
    return [row for row in rows if row["period_start"] == periods[row["name"]]]


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


async def approved(
    connection: AsyncConnection, account: Account, names: Sequence[str], run: str, now: datetime
) -> set[str]:
    """Return the envelopes of these in which a run is approved now."""
    if not run or not names:
        return set()
    query = select(envelope_approval.c.name).where(
        owned(envelope_approval, account, run=run),
        envelope_approval.c.name.in_(list(names)),
        envelope_approval.c.until > now,
    )
    return set((await connection.scalars(query)).all())
