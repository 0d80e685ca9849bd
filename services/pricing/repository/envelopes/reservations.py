"""Reservations: reading them, letting them count, and ending those that are over."""

from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    delete,
    exists,
    false,
    func,
    or_,
    select,
    tuple_,
    union,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.envelope_tables import (
    ACCOUNT,
    envelope,
    reservation,
    reservation_hold,
    reservation_log,
)
from services.pricing.repository.envelopes.spending import Watermarks
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account

PERIOD_MAX = timedelta(days=31)


async def read(
    connection: AsyncConnection, account: Account, reservation_id: str, *, lock: bool = False
) -> RowMapping | None:
    """Return a reservation."""
    query = select(reservation).where(owned(reservation, account, reservation_id=reservation_id))
    query = query.with_for_update() if lock else query
    return (await connection.execute(query)).mappings().first()


async def hold(
    connection: AsyncConnection, account: Account, reservation_id: str, periods: dict[str, date]
) -> None:
    """Let a reservation count in periods of envelopes; again changes nothing."""
    rows = [
        {
            **keys(account),
            "name": name,
            "period_start": start,
            "reservation_id": reservation_id,
        }
        for name, start in periods.items()
    ]
    if rows:
        await connection.execute(insert(reservation_hold).on_conflict_do_nothing(), rows)


async def accounts_with_live_ones(connection: AsyncConnection) -> set[Account]:
    """Return all accounts that have a reservation which is open, or committed and not metered."""
    of_state = [
        select(reservation.c.vendor_id, reservation.c.mode).where(reservation.c.state == state)
        for state in ("open", "committed")
    ]
    rows = (await connection.execute(union(*of_state))).all()
    return {Account(row.vendor_id, row.mode) for row in rows}


async def held_names(connection: AsyncConnection, account: Account) -> set[str]:
    """Return the envelopes that something is held or committed of."""
    query = select(reservation_hold.c.name).where(owned(reservation_hold, account)).distinct()
    return set((await connection.scalars(query)).all())


async def settle(
    connection: AsyncConnection, account: Account, noted: Watermarks, *, now: datetime
) -> int:
    """End what has expired, and what was committed and is metered by now; return how many.

    What ended counts nowhere any more, so that those who reserve read what is alive. What an
    envelope of a single run counts is metered when usage by run is known, too: it comes apart.
    """
    kept = reservation.c
    ended = await _settle(
        connection, account, "expired", and_(kept.state == "open", kept.expires_at <= now)
    )
    if noted.usage is None:
        return ended
    by_run = kept.committed_at <= noted.runs if noted.runs is not None else false()
    metered = and_(
        kept.state == "committed",
        kept.committed_at <= noted.usage,
        or_(by_run, kept.committed_at <= now - PERIOD_MAX, ~_is_of_a_run()),
    )
    return ended + await _settle(connection, account, "metered", metered)


async def _settle(
    connection: AsyncConnection, account: Account, state: str, which: ColumnElement[bool]
) -> int:
    """Set a state, and let these count nowhere any more, in one statement."""
    ended = (
        update(reservation)
        .where(owned(reservation, account), which)
        .values(state=state)
        .returning(reservation.c.reservation_id)
        .cte("ended")
    )
    counted = reservation_hold.c.reservation_id.in_(select(ended.c.reservation_id))
    gone = delete(reservation_hold).where(owned(reservation_hold, account), counted).cte("gone")
    count = select(func.count()).select_from(ended).add_cte(gone)
    return int((await connection.execute(count)).scalar_one())


def _is_of_a_run() -> ColumnElement[bool]:
    """Tell whether an envelope of a single run counts a reservation."""
    pairs = [
        *(reservation_hold.c[name] == reservation.c[name] for name in (*ACCOUNT, "reservation_id")),
        *(envelope.c[name] == reservation_hold.c[name] for name in (*ACCOUNT, "name")),
    ]
    return exists().where(*pairs, envelope.c.run != "", ~envelope.c.ended)


async def delete_older(connection: AsyncConnection, before: datetime, *, limit: int) -> int:
    """Delete reservations that ended before an instant, with their log; return how many.

    The ones that expired first go first. What was done with one late keeps it from then on.
    """
    columns = [reservation.c[name] for name in (*ACCOUNT, "reservation_id")]
    same = [reservation_log.c[name] == reservation.c[name] for name in (*ACCOUNT, "reservation_id")]
    oldest = (
        select(*columns)
        .where(
            reservation.c.state.in_(["metered", "released", "expired"]),
            reservation.c.expires_at < before,
            ~exists().where(*same, reservation_log.c.at >= before),
        )
        .order_by(reservation.c.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone: Any = [tuple(row) for row in (await connection.execute(oldest)).all()]
    for table in (reservation_log, reservation_hold, reservation):
        if gone:
            named = tuple_(*(table.c[name] for name in (*ACCOUNT, "reservation_id")))
            await connection.execute(delete(table).where(named.in_(gone)))
    return len(gone)
