"""The end of a reservation: what was used takes the place of what was held, or nothing was."""

from datetime import datetime
from fractions import Fraction

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.envelopes.envelope import SCOPE_FIELDS, Scope
from services.pricing.handlers.envelopes.standing import define
from services.pricing.repository.envelopes import definitions, reservations, writing
from shared.accounts.repository import Account
from shared.errors import conflict, not_found
from shared.money import format_exact, parse_exact


async def commit(
    connection: AsyncConnection,
    account: Account,
    reservation_id: str,
    amount: Fraction,
    *,
    now: datetime,
    tenant: str | None = None,
) -> RowMapping:
    """Put what was used in the place of the estimate, and return it; late, it still counts.

    Twice is once. An open one, the usual case, is one statement. A late one takes no lock of
    envelopes: nothing is decided, and who reserves takes them before the reservation. `tenant` is
    the only one whose reservation it may be.

    Raises `unknown_reservation`, `already_committed` (409) for another amount and
    `reservation_settled` (409) for one that was released.
    """
    written = format_exact(amount)
    ending = writing.Ending(reservation_id, "committed", written, now, tenant)
    row = await writing.end(connection, account, ending, state="open")
    if row is not None:
        return row
    row = await read_reservation(connection, account, reservation_id, tenant, lock=True)
    if row["state"] in ("committed", "metered"):
        if parse_exact(row["committed_exact"]) != amount:
            raise conflict(
                "already_committed", "Another amount was committed before.", subject=reservation_id
            )
        return row
    if row["state"] == "released":
        raise conflict(
            "reservation_settled", "This reservation is released.", subject=reservation_id
        )
    if row["state"] == "expired":
        work = Scope(**{field: row[field] for field in SCOPE_FIELDS})
        defined = define(await definitions.matching(connection, account, work), now)
        await reservations.hold(connection, account, reservation_id, defined.periods)
    return await _end_locked(connection, account, ending, row)


async def release(
    connection: AsyncConnection,
    account: Account,
    reservation_id: str,
    *,
    now: datetime,
    tenant: str | None = None,
) -> RowMapping:
    """Give the estimate back, and return the reservation: nothing was used. Twice is once.

    Raises `unknown_reservation`, `reservation_settled` (409) after a commit.
    """
    ending = writing.Ending(reservation_id, "released", "0", now, tenant)
    row = await writing.end(connection, account, ending, state="open")
    if row is not None:
        return row
    row = await read_reservation(connection, account, reservation_id, tenant, lock=True)
    if row["state"] in ("committed", "metered"):
        raise conflict(
            "reservation_settled", "This reservation is committed.", subject=reservation_id
        )
    if row["state"] == "released":
        return row
    return await _end_locked(connection, account, ending, row)


async def _end_locked(
    connection: AsyncConnection, account: Account, ending: writing.Ending, row: RowMapping
) -> RowMapping:
    ended = await writing.end(connection, account, ending, state=row["state"])
    if ended is None:
        raise RuntimeError(f"reservation {ending.reservation_id} changed under its lock")
    return ended


async def read_reservation(
    connection: AsyncConnection,
    account: Account,
    reservation_id: str,
    tenant: str | None = None,
    *,
    lock: bool = False,
) -> RowMapping:
    """Return a reservation, of one tenant's work if one is named.

    Raises `unknown_reservation`: there is none, it is another tenant's, or it ended so long ago
    that it is forgotten (`housekeeping.RESERVATIONS_KEPT`).
    """
    row = await reservations.read(connection, account, reservation_id, lock=lock)
    if row is None or (tenant is not None and row["tenant"] != tenant):
        raise not_found("reservation", reservation_id)
    return row
