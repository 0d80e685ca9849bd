"""What agents used, from pricing's copies of the main rollup and of the one by user."""

from asyncio import to_thread
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from sqlalchemy import ARRAY, Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.windows import Window
from services.pricing.domain.usage import DIMENSIONS, Usage
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account


class Agent(NamedTuple):
    """An agent of a tenant, as events name both."""

    tenant: str
    agent: str


@dataclass(frozen=True)
class AgentUsage:
    """What an agent used in a window: of what, and how much on which days."""

    window: int
    agent: Agent
    usage: Usage
    days: Sequence[date]
    quantities: Sequence[Decimal]


@dataclass(frozen=True)
class Span:
    """How many agents people work with: each user who used any, and its agents, added up."""

    people: int
    agents_of_people: int


async def read_usage(
    connection: AsyncConnection, account: Account, windows: Sequence[Window]
) -> list[AgentUsage]:
    """Return what each agent used, by everything that a cost depends on."""
    rows = await connection.execute(_USAGE, _values(account, windows))
    return await to_thread(_named_usage, rows.all())


async def read_seen(
    connection: AsyncConnection, account: Account
) -> dict[Agent, tuple[date, date]]:
    """Return the first and the last day on which each agent used anything."""
    rows = (await connection.execute(_SEEN, keys(account))).all()
    return {Agent(tenant, agent): (first, last) for tenant, agent, first, last in rows}


async def count_users(
    connection: AsyncConnection, account: Account, window: Window
) -> dict[Agent, int]:
    """Return how many named users used each agent."""
    values = {**keys(account), "first": window.first, "end": window.end}
    rows = (await connection.execute(_USERS, values)).all()
    return {Agent(tenant, agent): users for tenant, agent, users in rows}


async def read_span(connection: AsyncConnection, account: Account, window: Window) -> Span:
    """Return how many people there are, and how many agents each of them used, in sum."""
    values = {**keys(account), "first": window.first, "end": window.end}
    people, agents = (await connection.execute(_SPAN, values)).one()
    return Span(people, int(agents or 0))


_AGENT = DIMENSIONS.index("agent")


def _named_usage(rows: Sequence[Any]) -> list[AgentUsage]:
    return [
        AgentUsage(number, Agent(tenant, values[_AGENT]), _usage(values), days, quantities)
        for number, tenant, *values, days, quantities in rows
    ]


def _usage(values: Sequence[Any]) -> Usage:
    known = dict(zip(DIMENSIONS, values, strict=True))
    known["batch"] = "true" if known["batch"] else "false"
    # Prices know no agents: alike but for them is alike.
    return Usage(**known | {"agent": ""}, usage_day=date.min, quantity=Fraction(0))


def _values(account: Account, windows: Sequence[Window]) -> dict[str, Any]:
    return {
        **keys(account),
        "firsts": [window.first for window in windows],
        "ends": [window.end for window in windows],
    }


_COLUMNS = ", ".join(DIMENSIONS)
_OWN = "vendor_id = :vendor_id and mode = :mode"
_BY_USER = f"""
    from pricing.usage_daily_by_user
    where {_OWN} and usage_day >= :first and usage_day < :end and quantity > 0 and "user" <> ''
"""
_USAGE = text(
    f"""
    with asked as (
        select * from unnest(:firsts, :ends) with ordinality as a (first_day, end_day, number)
    )
    select number - 1, tenant_id, {_COLUMNS}, array_agg(usage_day), array_agg(quantity)
    from (
        select asked.number, tenant_id, {_COLUMNS}, usage_day, sum(quantity) as quantity
        from pricing.usage_daily
        join asked on usage_day >= asked.first_day and usage_day < asked.end_day
        where {_OWN} and not starts_with(kind, 'meter:')
        group by asked.number, tenant_id, {_COLUMNS}, usage_day having sum(quantity) <> 0
    ) by_day
    group by number, tenant_id, {_COLUMNS}
    """  # noqa: S608 - our own names
).bindparams(bindparam("firsts", type_=ARRAY(Date)), bindparam("ends", type_=ARRAY(Date)))
_SEEN = text(
    f"""
    select tenant_id, agent, min(usage_day), max(usage_day) from pricing.usage_daily
    where {_OWN} and quantity > 0 group by tenant_id, agent
    """  # noqa: S608 - our own names
)
_USERS = text(f'select tenant_id, agent, count(distinct "user") {_BY_USER} group by 1, 2')
_SPAN = text(
    f"""
    select count(*), sum(agents) from (
        select count(distinct agent) as agents {_BY_USER} group by tenant_id, "user"
    ) people
    """  # noqa: S608 - our own names
)
