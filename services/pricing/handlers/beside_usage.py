"""What ratings read beside the sums of usage: who used what of seats, and levels before a period.

Only for plans that need it, and at once for all periods that are rated together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.levels import level_kinds, levels_of
from services.pricing.domain.split.parts import Part
from services.pricing.domain.split.seat_holders import pools_seats, with_seat_holders
from services.pricing.domain.subscription.holder_log import Assignment
from services.pricing.repository import seat_assignments
from services.pricing.repository.by_user import UserDays, read_by_user
from services.pricing.repository.levels import Before, read_before
from shared.accounts.repository import Account

Parts = Sequence[Part]


@dataclass(frozen=True)
class RatedDays:
    """The parts of one period of a tenant, before they are rated by what was booked before a day.

    `subscription_id` says whose log of seats counts; without one, it is `log`.
    """

    tenant_id: str
    subscription_id: str | None
    parts: Parts
    booked_before: date | None = None
    log: Sequence[Assignment] = ()

    @property
    def booked(self) -> date:
        """The day before which usage is booked; the end of the period unless another is named."""
        return self.booked_before or self.parts[-1].period.end


async def read_beside(
    connection: AsyncConnection, account: Account, wanted: Sequence[RatedDays]
) -> list[Parts]:
    """Return the parts of each period with what their plans need."""
    with_seats = await _with_seats(connection, account, wanted)
    return await _with_levels(connection, account, wanted, with_seats)


async def _with_seats(
    connection: AsyncConnection, account: Account, wanted: Sequence[RatedDays]
) -> list[Parts]:
    read = [one.parts for one in wanted]
    pooled = {n: one for n, one in enumerate(wanted) if any(map(pools_seats, one.parts))}
    if not pooled:
        return read
    days = {
        str(n): UserDays(
            one.tenant_id, one.parts[0].period.start, one.parts[-1].period.end, one.booked
        )
        for n, one in pooled.items()
    }
    used = await read_by_user(connection, account, days)
    logs = await seat_assignments.read_logs(
        connection,
        account,
        filter(None, (one.subscription_id for one in pooled.values())),
        start=min(one.start for one in days.values()),
        end=max(one.end for one in days.values()),
    )
    for n, one in pooled.items():
        log = logs.get(one.subscription_id, ()) if one.subscription_id else one.log
        read[n] = with_seat_holders(one.parts, log, used[str(n)])
    return read


async def _with_levels(
    connection: AsyncConnection,
    account: Account,
    wanted: Sequence[RatedDays],
    read: Sequence[Parts],
) -> list[Parts]:
    """Read the level of each part as it begins: another version may claim another level."""
    leveled = [
        (n, place)
        for n, parts in enumerate(read)
        for place, part in enumerate(parts)
        if _prices_level(part)
    ]
    questions = [_before(wanted[n], read[n][place]) for n, place in leveled]
    found = [list(parts) for parts in read]
    answers = await read_before(connection, account, questions)
    for (n, place), rows in zip(leveled, answers, strict=True):
        part = found[n][place]
        readings = replace(part.readings, levels=levels_of(part.plan, rows))
        found[n][place] = replace(part, readings=readings)
    return list(found)


async def level_changed(
    connection: AsyncConnection, account: Account, rated: RatedDays, *, seen: date
) -> bool:
    """Tell whether a level of a period is another by what was booked on `seen` or later."""
    parts = [part for part in rated.parts if _prices_level(part)]
    questions = [replace(_before(rated, part), booked_from=seen) for part in parts]
    answers = await read_before(connection, account, questions)
    return any(
        any(levels_of(part.plan, rows).values()) for part, rows in zip(parts, answers, strict=True)
    )


def _prices_level(part: Part) -> bool:
    return bool(part.plan.leveled) and part.charged != "nothing"


def _before(rated: RatedDays, part: Part) -> Before:
    kinds = level_kinds(part.plan)
    return Before(rated.tenant_id, part.period.start, rated.booked, kinds)
