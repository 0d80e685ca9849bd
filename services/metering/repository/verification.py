"""The SQL of recounts: what is to be counted again, against what, and the outcome."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import Row, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.repository.publishing import DAILY_DIMENSIONS
from services.metering.tables import (
    day_verification,
    natural_duplicate,
    rejected,
    seal,
    tenant_number,
)
from shared.accounts.repository import Account

Outcome = Literal["agreed", "differs", "off"]
PENDING = "pending"
"""A seal whose day is not yet counted again; it is not published."""


@dataclass(frozen=True)
class Verification:
    """How one recount came out; `differences` are the first of `differing_rows`."""

    account: Account
    day: date
    outcome: Outcome
    offsets: Mapping[int, int]
    events: int
    differing_rows: int
    differences: Sequence[Mapping[str, Any]]
    checked_at: datetime
    duration_seconds: Decimal


async def read_waited_for(connection: AsyncConnection) -> dict[int, int]:
    """Return up to which offset seals wait for the archive, by partition."""
    vectors = await connection.scalars(
        select(seal.c.offsets).where(seal.c.recount == PENDING).distinct()
    )
    waited_for: dict[int, int] = {}
    for vector in vectors:
        for partition, offset in vector.items():
            waited_for[int(partition)] = max(waited_for.get(int(partition), 0), offset)
    return waited_for


async def list_pending(connection: AsyncConnection) -> Sequence[Any]:
    """Return the seals that wait for their recount, oldest days of each account first."""
    query = select(seal.c.vendor_id, seal.c.mode, seal.c.day, seal.c.offsets)
    query = query.where(seal.c.recount == PENDING)
    order = (seal.c.sealed_at, seal.c.vendor_id, seal.c.mode, seal.c.day)
    return (await connection.execute(query.order_by(*order))).all()


async def count_pending(connection: AsyncConnection, account: Account, through: date) -> int:
    """Return how many of the account's days wait for their recount."""
    waiting = await connection.scalar(
        select(func.count())
        .select_from(seal)
        .where(*_of(seal, account), seal.c.recount == PENDING, seal.c.day <= through)
    )
    return int(waiting or 0)


async def list_differing(
    connection: AsyncConnection, account: Account, through: date
) -> list[date]:
    """Return the sealed days whose recount differs, up to a day."""
    query = select(seal.c.day).where(
        *_of(seal, account), seal.c.recount == "differs", seal.c.day <= through
    )
    return list((await connection.scalars(query.order_by(seal.c.day))).all())


async def read_vector(
    connection: AsyncConnection, account: Account, day: date
) -> dict[int, int] | None:
    """Return the offsets that a day was sealed at; None for a day that is not sealed."""
    vector = await connection.scalar(
        select(seal.c.offsets).where(*_of(seal, account), seal.c.day == day)
    )
    return None if vector is None else {int(p): offset for p, offset in vector.items()}


async def read_late_from(
    connection: AsyncConnection, account: Account, day: date
) -> dict[int, int] | None:
    """Return the offsets from which on events of earlier days are booked in this day.

    Those are the offsets of the seal of the day before. None where that day is not sealed: then
    nothing late is booked here.
    """
    return await read_vector(connection, account, day - timedelta(days=1))


_ROLLUP = text(
    f"""
    select tenant_id, {", ".join(n for n in DAILY_DIMENSIONS if n != "booked_day")},
           sum(quantity) as quantity, cast(sum(events) as bigint) as events
    from metering.rollup
    where vendor_id = :vendor_id and mode = :mode and booked_day = :day
      and not starts_with(kind, 'meter:')
    group by tenant_id, {", ".join(n for n in DAILY_DIMENSIONS if n != "booked_day")}
    """  # noqa: S608 - names from our own tables
)


async def read_booked(
    connection: AsyncConnection, account: Account, day: date
) -> Sequence[Row[Any]]:
    """Return the rollup of a booked day over all partitions, by tenant and daily dimensions.

    Without what meters make of the events: the archive has the events themselves.
    """
    values = {"vendor_id": account.vendor_id, "mode": account.mode, "day": day}
    return (await connection.execute(_ROLLUP, values)).all()


async def read_rejected_positions(connection: AsyncConnection, account: Account) -> Sequence[Any]:
    """Return the positions of the account's rejected events, and of those of nobody."""
    query = select(rejected.c.partition, rejected.c.offset, rejected.c.index)
    query = query.where(rejected.c.vendor_id.in_([account.vendor_id, ""]))
    return (await connection.execute(query)).all()


async def read_natural_losers(connection: AsyncConnection, account: Account) -> Sequence[Any]:
    """Return the positions of events whose response another instrument has booked.

    Each is the first event of its id: the id counts nothing, and nothing corrects it.
    """
    loser = natural_duplicate.c
    query = (
        select(loser.partition, loser.offset, loser.index)
        .join(tenant_number, tenant_number.c.number == loser.tenant_number)
        .where(*_of(tenant_number, account))
    )
    return (await connection.execute(query)).all()


async def store_verification(connection: AsyncConnection, outcome: Verification) -> None:
    """Keep the outcome in place of an earlier one, and write it on the seal if there is one."""
    values = {
        "vendor_id": outcome.account.vendor_id,
        "mode": outcome.account.mode,
        "day": outcome.day,
        "outcome": outcome.outcome,
        "offsets": {str(p): offset for p, offset in outcome.offsets.items()},
        "events": outcome.events,
        "differing_rows": outcome.differing_rows,
        "differences": list(outcome.differences),
        "checked_at": outcome.checked_at,
        "duration_seconds": outcome.duration_seconds,
    }
    written = insert(day_verification).values(values)
    keys = ["vendor_id", "mode", "day"]
    newer = {name: written.excluded[name] for name in values if name not in keys}
    await connection.execute(written.on_conflict_do_update(index_elements=keys, set_=newer))
    await connection.execute(
        seal.update()
        .where(*_of(seal, outcome.account), seal.c.day == outcome.day)
        .values(recount=outcome.outcome)
    )


def _of(table: Any, account: Account) -> tuple[Any, Any]:
    return table.c.vendor_id == account.vendor_id, table.c.mode == account.mode
