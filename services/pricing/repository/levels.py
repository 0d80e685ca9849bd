"""All usage before a day, for prices of a level: read only where a plan has such a price."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from sqlalchemy import ARRAY, Date, Integer, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.usage import DIMENSIONS, Usage
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account


@dataclass(frozen=True)
class Before:
    """A tenant's usage on days before one, of what was booked before another.

    `kinds` may hold `*` for any text. `booked_from` leaves out what was booked earlier.
    """

    tenant_id: str
    day: date
    booked_before: date
    kinds: frozenset[str]
    booked_from: date = date.min


async def read_before(
    connection: AsyncConnection, account: Account, wanted: Sequence[Before]
) -> list[list[Usage]]:
    """Return sums over all those days, by everything that a price can depend on but the day.

    They stand on the day itself. In the order of what is wanted.
    """
    found: list[list[Usage]] = [[] for _ in wanted]
    if not wanted:
        return found
    columns = {
        "places": list(range(len(wanted))),
        "tenants": [one.tenant_id for one in wanted],
        "days": [one.day for one in wanted],
        "booked": [one.booked_before for one in wanted],
        "booked_from": [one.booked_from for one in wanted],
        "kinds": ["\n".join(sorted(map(like_pattern, one.kinds))) for one in wanted],
    }
    rows = await connection.execute(_BEFORE, {**keys(account), **columns})
    for row in rows.mappings():
        place, values = row["place"], {name: row[name] for name in DIMENSIONS}
        units = Fraction(*row["quantity"].as_integer_ratio())
        found[place].append(Usage(**values, usage_day=wanted[place].day, quantity=units))
    return found


def like_pattern(pattern: str) -> str:
    """Return a pattern with `*` as one of SQL's `like`."""
    for sign in ("\\", "%", "_"):
        pattern = pattern.replace(sign, f"\\{sign}")
    return pattern.replace("*", "%")


_AS_TEXT = {"batch": "cast(batch as text) as batch"}
_SELECTED = ", ".join(_AS_TEXT.get(name, name) for name in DIMENSIONS)
_BEFORE = text(
    f"""
    select wanted.place, used.*
    from unnest(:places, :tenants, :days, :booked, :booked_from, :kinds)
         as wanted (place, tenant_id, day, booked_before, booked_from, kinds)
    cross join lateral (
        select {_SELECTED}, sum(quantity) as quantity
        from pricing.usage_daily
        where vendor_id = :vendor_id and mode = :mode and tenant_id = wanted.tenant_id
          and usage_day < wanted.day and booked_day < wanted.booked_before
          and booked_day >= wanted.booked_from
          and kind like any (string_to_array(wanted.kinds, chr(10)))
        group by {", ".join(DIMENSIONS)}
        having sum(quantity) <> 0
    ) used
    """  # noqa: S608 - our own names
).bindparams(
    bindparam("places", type_=ARRAY(Integer)),
    *(bindparam(name, type_=ARRAY(Text)) for name in ("tenants", "kinds")),
    *(bindparam(name, type_=ARRAY(Date)) for name in ("days", "booked", "booked_from")),
)
