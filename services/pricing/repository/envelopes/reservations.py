"""Reservations: what they are now, and the log that says how they came to it."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    and_,
    case,
    delete,
    exists,
    false,
    func,
    or_,
    select,
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
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account

COUNTING = ("open", "committed")
PERIOD_MAX = timedelta(days=31)


async def read(
    connection: AsyncConnection, account: Account, reservation_id: str, *, lock: bool = False
) -> RowMapping | None:
    """Return a reservation."""
    query = select(reservation).where(owned(reservation, account, reservation_id=reservation_id))
    query = query.with_for_update() if lock else query
    return (await connection.execute(query)).mappings().first()


async def add(
    connection: AsyncConnection, account: Account, row: dict[str, Any], periods: dict[str, date]
) -> bool:
    """Store a reservation with the periods of envelopes that it holds from; False if it exists."""
    written = insert(reservation).values(**keys(account), **row).on_conflict_do_nothing()
    made = await connection.execute(written.returning(reservation.c.reservation_id))
    if made.first() is None:
        return False
    await hold(connection, account, row["reservation_id"], periods)
    return True


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


async def let_go(connection: AsyncConnection, account: Account, reservation_id: str) -> None:
    """Let a reservation count nowhere any more."""
    await connection.execute(
        delete(reservation_hold).where(
            owned(reservation_hold, account, reservation_id=reservation_id)
        )
    )


async def settle(
    connection: AsyncConnection, account: Account, *, now: datetime, watermark: datetime | None
) -> int:
    """End what has expired, and what was committed and is metered by now; return how many.

    What ended counts nowhere any more, so that those who reserve read what is alive. What an
    envelope of a single run holds stays committed for its period: its usage is not metered by run.
    """
    old = reservation.c.committed_at <= now - PERIOD_MAX
    metered = and_(
        reservation.c.state == "committed",
        reservation.c.committed_at <= watermark if watermark is not None else false(),
        or_(old, ~_is_of_a_run()),
    )
    expired = and_(reservation.c.state == "open", reservation.c.expires_at <= now)
    ended = (
        update(reservation)
        .where(owned(reservation, account), or_(metered, expired))
        .values(state=case((metered, "metered"), else_="expired"))
        .returning(reservation.c.reservation_id)
    )
    names = list((await connection.scalars(ended)).all())
    if names:
        await connection.execute(
            delete(reservation_hold).where(
                owned(reservation_hold, account), reservation_hold.c.reservation_id.in_(names)
            )
        )
    return len(names)


def _is_of_a_run() -> ColumnElement[bool]:
    """Tell whether an envelope of a single run counts a reservation."""
    pairs = [
        *(reservation_hold.c[name] == reservation.c[name] for name in (*ACCOUNT, "reservation_id")),
        *(envelope.c[name] == reservation_hold.c[name] for name in (*ACCOUNT, "name")),
    ]
    return exists().where(*pairs, envelope.c.run != "", ~envelope.c.ended)


async def change(
    connection: AsyncConnection, account: Account, reservation_id: str, values: dict[str, Any]
) -> None:
    """Set what a reservation is now."""
    await connection.execute(
        update(reservation)
        .where(owned(reservation, account, reservation_id=reservation_id))
        .values(**values)
    )


async def log(
    connection: AsyncConnection, account: Account, row: RowMapping | dict[str, Any], **values: Any
) -> None:
    """Append what was done with a reservation: `what`, `amount_exact`, `at`."""
    reservation_id = row["reservation_id"]
    number = select(func.count()).where(
        owned(reservation_log, account, reservation_id=reservation_id)
    )
    await connection.execute(
        insert(reservation_log).values(
            **keys(account),
            reservation_id=reservation_id,
            number=number.scalar_subquery(),
            tenant=row["tenant"],
            run=row["run"],
            **values,
        )
    )


async def asked_by_run(
    connection: AsyncConnection, account: Account, *, tenant: str, run: str, since: datetime
) -> Sequence[RowMapping]:
    """Return when a run asked for how much since a moment, exclusive."""
    query = select(reservation_log.c.at, reservation_log.c.amount_exact).where(
        owned(reservation_log, account, tenant=tenant, run=run),
        reservation_log.c.what.in_(["reserve", "extend"]),
        reservation_log.c.at > since,
    )
    return (await connection.execute(query)).mappings().all()


async def is_under_way(
    connection: AsyncConnection, account: Account, *, tenant: str, run: str
) -> bool:
    """Tell whether a run has been granted something before."""
    query = select(reservation_log.c.at).where(
        owned(reservation_log, account, tenant=tenant, run=run)
    )
    return (await connection.execute(query.limit(1))).first() is not None


async def holds(
    connection: AsyncConnection, account: Account, names: Sequence[str]
) -> Sequence[RowMapping]:
    """Return what is held or committed of envelopes, with the envelope's name.

    Each once for an envelope, though it counts in each period that it was extended in.
    """
    joined = reservation_hold.join(
        reservation,
        (reservation.c.vendor_id == reservation_hold.c.vendor_id)
        & (reservation.c.mode == reservation_hold.c.mode)
        & (reservation.c.reservation_id == reservation_hold.c.reservation_id),
    )
    query = (
        select(reservation_hold.c.name, reservation)
        .distinct()
        .select_from(joined)
        .where(
            owned(reservation_hold, account),
            reservation_hold.c.name.in_(names),
            reservation.c.state.in_(COUNTING),
        )
    )
    return (await connection.execute(query)).mappings().all()
