"""Tokens by unit, dimension and window: sums over pricing's copy of the counted usage.

Days are usage days: what was booked late is of the day on which it was used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import ARRAY, Date, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.kinds import TOKEN_PARTS
from services.pricing.domain.growth.windows import Window
from services.pricing.domain.usage import Usage
from services.pricing.repository.growth.rows import made_of
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account

DAILY, BY_USER = "pricing.usage_daily", "pricing.usage_daily_by_user"

UNITS: dict[str, tuple[str, str]] = {
    "user": (BY_USER, 'u."user"'),
    "agent": (DAILY, "u.agent"),
    "tenant": (DAILY, "left(u.tenant_id, 0)"),
}
"""What a unit is: the table that knows it, and its name within its tenant."""

DIMENSIONS: dict[str, tuple[str, str]] = {
    "tenant": (DAILY, "u.tenant_id"),
    "agent": (DAILY, "u.agent"),
    "model": (DAILY, "u.model"),
    "provider": (DAILY, "u.provider"),
    "kind": (DAILY, "u.kind"),
    "purpose": (DAILY, "u.purpose"),
    "plan": (DAILY, "plans.plan"),
    "team": (BY_USER, "u.team"),
    "user": (BY_USER, 'u."user"'),
}
"""What tokens are told apart by: the table that knows it, and the column."""

COSTED = ("provider", "model", "kind", "context_band", "service_tier", "batch", "speed")


@dataclass(frozen=True)
class UnitTokens:
    """Tokens of a unit on a model in a window."""

    window: int
    tenant: str
    unit: str
    model: str
    kind: str
    tokens: Fraction


@dataclass(frozen=True)
class Named:
    """An amount of a window under the value of a dimension; None: it cannot be told."""

    window: int
    name: str | None
    amount: Fraction


@dataclass(frozen=True)
class NamedUsage:
    """Usage of a window under the value of a dimension: of what, and how much on which days."""

    window: int
    name: str | None
    usage: Usage
    days: Sequence[date]
    quantities: Sequence[Decimal]


async def read_unit_tokens(
    connection: AsyncConnection, account: Account, unit: str, windows: Sequence[Window]
) -> list[UnitTokens]:
    """Return the tokens of each unit by model and kind."""
    table, name = UNITS[unit]
    query = f"""
        {_ASKED}
        select asked.number - 1, u.tenant_id, {name}, u.model, u.kind, sum(u.quantity)
        from {table} u {_IN_ASKED} where {_TOKENS}
        group by asked.number, u.tenant_id, {name}, u.model, u.kind having sum(u.quantity) <> 0
    """  # noqa: S608 - our own text
    rows = await connection.execute(_with_days(query), _values(account, windows))
    return await made_of(rows.all(), _unit_tokens)


async def count_active_days(
    connection: AsyncConnection, account: Account, unit: str, windows: Sequence[Window]
) -> dict[tuple[int, str, str], int]:
    """Return by (window, tenant, unit) on how many days it used tokens."""
    table, name = UNITS[unit]
    query = f"""
        {_ASKED}
        select number, tenant_id, unit, count(*) from (
            select asked.number - 1 as number, u.tenant_id, {name} as unit, u.usage_day
            from {table} u {_IN_ASKED} where {_TOKENS}
            group by asked.number, u.tenant_id, {name}, u.usage_day having sum(u.quantity) > 0
        ) active group by number, tenant_id, unit
    """  # noqa: S608 - our own text
    rows = await connection.execute(_with_days(query), _values(account, windows))
    return {(number, tenant, one): days for number, tenant, one, days in rows.all()}


async def list_units_before(
    connection: AsyncConnection, account: Account, unit: str, day: date
) -> set[tuple[str, str]]:
    """Return the (tenant, unit) that used tokens on any day before."""
    table, name = UNITS[unit]
    query = text(
        f"""
        select distinct tenant_id, unit from (
            select u.tenant_id, {name} as unit, u.usage_day from {table} u
            where {_TOKENS} and u.usage_day < :day
            group by u.tenant_id, {name}, u.usage_day having sum(u.quantity) > 0
        ) active
        """  # noqa: S608 - our own text
    ).bindparams(bindparam("kinds", type_=ARRAY(Text)))
    values = {**keys(account), "kinds": list(TOKEN_PARTS), "day": day}
    return {(tenant, one) for tenant, one in (await connection.execute(query, values)).all()}


async def read_tokens(
    connection: AsyncConnection, account: Account, by: str, windows: Sequence[Window]
) -> list[Named]:
    """Return tokens by a dimension."""
    table, name = DIMENSIONS[by]
    query = f"""
        {_ASKED} {_PLANS if by == "plan" else ""}
        select asked.number - 1, {name}, sum(u.quantity)
        from {table} u {_IN_ASKED} {_OF_PLANS if by == "plan" else ""} where {_TOKENS}
        group by asked.number, {name} having sum(u.quantity) <> 0
    """  # noqa: S608 - our own text
    rows = await connection.execute(_with_days(query), _values(account, windows))
    return [Named(number, value, Fraction(tokens)) for number, value, tokens in rows.all()]


async def read_costed_usage(
    connection: AsyncConnection, account: Account, by: str, windows: Sequence[Window]
) -> list[NamedUsage]:
    """Return usage of every kind by a dimension and by what its cost depends on."""
    table, name = DIMENSIONS[by]
    assert table == DAILY, "by user nobody knows what a cost depends on"
    columns, used = (", ".join(f"{of}{column}" for column in COSTED) for of in ("u.", ""))
    query = f"""
        {_ASKED} {_PLANS if by == "plan" else ""}
        select number - 1, name, {used}, array_agg(usage_day), array_agg(quantity)
        from (
            select asked.number, {name} as name, {columns}, u.usage_day,
                sum(u.quantity) as quantity
            from {table} u {_IN_ASKED} {_OF_PLANS if by == "plan" else ""}
            where u.vendor_id = :vendor_id and u.mode = :mode
              and not starts_with(u.kind, 'meter:')
            group by asked.number, {name}, {columns}, u.usage_day having sum(u.quantity) <> 0
        ) by_day
        group by number, name, {used}
    """  # noqa: S608 - our own text
    values = _values(account, windows)
    del values["kinds"]
    rows = await connection.execute(text(query).bindparams(*_DAYS), values)
    return await made_of(rows.all(), _named_usage)


async def read_sealed_through(connection: AsyncConnection, account: Account) -> date | None:
    """Return the last day that is sealed for every tenant; None while no day is."""
    query = text(
        "select min(day) from pricing.sealed_through where vendor_id = :vendor_id and mode = :mode"
    )
    day: date | None = await connection.scalar(query, keys(account))
    return day


def _unit_tokens(number: int, tenant: str, unit: str, *values: Any) -> UnitTokens:
    model, kind, tokens = values
    return UnitTokens(number, tenant, unit, model, kind, Fraction(tokens))


def _named_usage(number: int, name: str | None, *values: Any) -> NamedUsage:
    *dimensions, days, quantities = values
    return NamedUsage(number, name, _usage(*dimensions), days, quantities)


def _usage(*dimensions: Any) -> Usage:
    known: dict[str, Any] = dict(zip(COSTED, dimensions, strict=True))
    known["batch"] = "true" if known["batch"] else "false"
    unknown: dict[str, Any] = dict.fromkeys(("agent", "region", "purpose", "status"), "")
    return Usage(**known, **unknown, usage_day=date.min, quantity=Fraction(0))


def _values(account: Account, windows: Sequence[Window]) -> dict[str, Any]:
    return {
        **keys(account),
        "kinds": list(TOKEN_PARTS),
        "firsts": [window.first for window in windows],
        "ends": [window.end for window in windows],
    }


def _with_days(query: str) -> Any:
    return text(query).bindparams(*_DAYS, bindparam("kinds", type_=ARRAY(Text)))


_DAYS = (bindparam("firsts", type_=ARRAY(Date)), bindparam("ends", type_=ARRAY(Date)))
_TOKENS = "u.vendor_id = :vendor_id and u.mode = :mode and u.kind = any(:kinds)"
_ASKED = """
    with asked as (
        select * from unnest(:firsts, :ends) with ordinality as a (first_day, end_day, number)
    )"""
_IN_ASKED = "join asked on u.usage_day >= asked.first_day and u.usage_day < asked.end_day"

_PLANS = """
    , parts as (
        select s.tenant_id, p.starts_on, coalesce(p.price_book, s.price_book) || '/'
            || coalesce(p.plan, s.content ->> 'plan') as plan,
            coalesce(lead(p.starts_on) over (partition by s.statement_id order by p.starts_on),
                s.period_end) as ends_on, s.period_start
        from pricing.statement s
        left join lateral jsonb_to_recordset(s.content -> 'parts')
            as p (starts_on date, price_book text, plan text) on true
        where s.vendor_id = :vendor_id and s.mode = :mode and s.kind = 'period'
    ), plans as (
        select tenant_id, cast(day as date) as usage_day,
            case when count(distinct plan) = 1 then min(plan) end as plan
        from parts cross join lateral generate_series(
            coalesce(starts_on, period_start), ends_on - 1, interval '1 day') as day
        group by 1, 2
    )"""
_OF_PLANS = "left join plans on plans.tenant_id = u.tenant_id and plans.usage_day = u.usage_day"
