"""Usage by who caused it: read only where pools belong to each seat."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sqlalchemy import ARRAY, Date, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.readings import UsageOfSeat
from services.pricing.domain.usage import SEAT_DIMENSIONS
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account

NO_CLASS_YET = ""


@dataclass(frozen=True)
class UserDays:
    """A tenant's days `[start, end)`, of what was booked before a day: what comes later is late."""

    tenant_id: str
    start: date
    end: date
    booked_before: date


async def read_by_user(
    connection: AsyncConnection, account: Account, wanted: Mapping[str, UserDays]
) -> dict[str, list[UsageOfSeat]]:
    """Return who used what, by a name of the caller's own; nobody holds a seat of a class yet.

    The seats are the users. Who is in several teams is one user.
    """
    found: dict[str, list[UsageOfSeat]] = {name: [] for name in wanted}
    if not wanted:
        return found
    columns = {
        "names": list(wanted),
        "tenants": [days.tenant_id for days in wanted.values()],
        "starts": [days.start for days in wanted.values()],
        "ends": [days.end for days in wanted.values()],
        "booked": [days.booked_before for days in wanted.values()],
    }
    rows = await connection.execute(_BY_USER, {**keys(account), **columns})
    for name, user, *values, quantity in rows.all():
        units = Fraction(*quantity.as_integer_ratio())
        used = dict(zip((*SEAT_DIMENSIONS, "usage_day"), values, strict=True))
        found[name].append(UsageOfSeat(user, NO_CLASS_YET, **used, quantity=units))
    return found


_DIMENSIONS = ", ".join(('"user"', *SEAT_DIMENSIONS, "usage_day"))
_BY_USER = text(
    f"""
    select wanted.name, used.*
    from unnest(:names, :tenants, :starts, :ends, :booked)
         as wanted (name, tenant_id, starts_on, ends_on, booked_before)
    cross join lateral (
        select {_DIMENSIONS}, sum(quantity)
        from pricing.usage_daily_by_user
        where vendor_id = :vendor_id and mode = :mode and tenant_id = wanted.tenant_id
          and usage_day >= wanted.starts_on and usage_day < wanted.ends_on
          and booked_day < wanted.booked_before
        group by {_DIMENSIONS}
        having sum(quantity) <> 0
        order by {_DIMENSIONS}
    ) used
    """  # noqa: S608 - our own names
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("names", "tenants")),
    *(bindparam(name, type_=ARRAY(Date)) for name in ("starts", "ends", "booked")),
)
