"""The logs of trainings and segments: rows that are added, never touched again."""

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import ARRAY, RowMapping, Table, Text, bindparam, select, text
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.enablement import Person
from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.windows import Window
from services.pricing.growth_tables import tenant_segment, training
from services.pricing.repository.growth.rows import made_of
from services.pricing.repository.selection import keys, owned
from shared.accounts.repository import Account

LOGS: dict[Table, tuple[str, ...]] = {
    training: ("tenant_id", "user", "program"),
    tenant_segment: ("tenant_id",),
}
"""What an entry of each log is about: of several about the same, the last stands."""


async def add(
    connection: AsyncConnection,
    account: Account,
    log: Table,
    entries: Sequence[Mapping[str, Any]],
    written_by: str,
) -> Sequence[RowMapping]:
    """Add entries to a log in their order; what stands already, word for word, is not added."""
    standing: dict[tuple[str, ...], Mapping[Any, Any]] = {
        tuple(row[name] for name in LOGS[log]): row
        for row in await list_standing(connection, account, log)
    }
    new = []
    for entry in entries:
        about = tuple(entry[name] for name in LOGS[log])
        known = standing.get(about)
        if known is None or any(known[name] != value for name, value in entry.items()):
            standing[about] = entry
            new.append({**keys(account), **entry, "written_by": written_by})
    # One by one, so that positions are in the order of the entries.
    rows = [
        (await connection.execute(insert(log).values(row).returning(log))).mappings().one()
        for row in new
    ]
    return list(rows)


async def list_standing(
    connection: AsyncConnection, account: Account, log: Table
) -> Sequence[RowMapping]:
    """Return the entries that stand, by what they are about."""
    about = [log.c[name] for name in LOGS[log]]
    query = (
        select(log)
        .where(owned(log, account))
        .ext(distinct_on(*about))
        .order_by(*about, log.c.position.desc())
    )
    return (await connection.execute(query)).mappings().all()


async def list_page(
    connection: AsyncConnection, account: Account, log: Table, *, after: int, limit: int
) -> Sequence[RowMapping]:
    """Return a log behind a position, as it was written."""
    query = select(log).where(owned(log, account), log.c.position > after)
    rows = await connection.execute(query.order_by(log.c.position).limit(limit))
    return rows.mappings().all()


async def read_first_active(connection: AsyncConnection, account: Account) -> dict[Person, date]:
    """Return the first day on which each user used tokens; usage without a user is nobody's."""
    query = text(
        f"""
        select tenant_id, "user", min(usage_day) from (
            select tenant_id, "user", usage_day {_OF_USERS}
            group by 1, 2, 3 having sum(quantity) > 0
        ) active group by 1, 2
        """  # noqa: S608 - our own text
    ).bindparams(_KINDS)
    rows = (await connection.execute(query, _values(account))).all()
    return {Person(tenant, user): day for tenant, user, day in rows}


async def read_daily_tokens(
    connection: AsyncConnection, account: Account, window: Window
) -> dict[Person, dict[date, Fraction]]:
    """Return the tokens of each user on each day."""
    query = text(
        f"""
        select tenant_id, "user", array_agg(usage_day), array_agg(tokens) from (
            select tenant_id, "user", usage_day, sum(quantity) as tokens {_OF_USERS}
            and usage_day >= :first and usage_day < :end
            group by 1, 2, 3 having sum(quantity) > 0
        ) daily group by 1, 2
        """  # noqa: S608 - our own text
    ).bindparams(_KINDS)
    values = _values(account) | {"first": window.first, "end": window.end}
    rows = (await connection.execute(query, values)).all()
    return dict(await made_of(rows, _daily))


def _daily(
    tenant: str, user: str, days: Sequence[date], tokens: Sequence[Decimal]
) -> tuple[Person, dict[date, Fraction]]:
    return Person(tenant, user), dict(zip(days, map(Fraction, tokens), strict=True))


def _values(account: Account) -> dict[str, Any]:
    return {**keys(account), "kinds": list(TOKEN_PARTS)}


_KINDS = bindparam("kinds", type_=ARRAY(Text))
_OF_USERS = (
    "from pricing.usage_daily_by_user where vendor_id = :vendor_id and mode = :mode "
    "and kind = any(:kinds) and \"user\" <> ''"
)
