"""Revenue by the days that it is for, from the lines of statements: added, never rated again.

What usage caused is of its day. What is due by days (a fee, a true-up) is for the days of its
period. So an adjustment is of the period that it adjusts, and a fee in advance of the days that it
pays. Orders of credit are no revenue before credit pays for something. A progressive statement
holds usage that its period's statement has in full, and takes off again: neither of the two counts.
Tenants that are `internal` are never billed, and bring nothing in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from sqlalchemy import ARRAY, Date, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.growth.windows import Window
from services.pricing.repository.growth.rows import made_of
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account

PERIOD_DAYS_MAX = 31
"""A fee in advance stands on the statement of the period before its own."""

DIMENSIONS: dict[str, str] = {
    "tenant": "placed.tenant_id",
    "plan": """case when placed.parts is null then placed.plan else (
            select p.price_book || '/' || p.plan
            from jsonb_to_recordset(placed.parts)
                as p (starts_on date, price_book text, plan text)
            where p.starts_on <= d.usage_day order by p.starts_on desc limit 1
        ) end""",
    "agent": "d.agent",
    "model": "d.model",
    "kind": "d.kind",
    "provider": "providers.provider",
}
"""What revenue of usage is told apart by, and the column that has it."""


@dataclass(frozen=True)
class UsageRevenue:
    """What usage on days of a window brought in; `values` are those of the asked dimensions.

    A value is None where it cannot be told: several plans, or providers, share the day's amount.
    """

    window: int
    values: tuple[str | None, ...]
    amount: Fraction


@dataclass(frozen=True)
class Fee:
    """What is due for days, whatever was used on them; `model` is the price model of its charge.

    `plan` is None where the period has several.
    """

    tenant: str
    plan: str | None
    model: str
    days: Window
    amount: Fraction


async def list_currencies(connection: AsyncConnection, account: Account) -> list[str]:
    """Return the currencies of an account's statements."""
    query = text(
        "select distinct currency from pricing.statement "
        "where vendor_id = :vendor_id and mode = :mode order by 1"
    )
    return list((await connection.scalars(query, keys(account))).all())


async def read_usage_revenue(
    connection: AsyncConnection,
    account: Account,
    currency: str,
    windows: Sequence[Window],
    by: Sequence[str],
) -> list[UsageRevenue]:
    """Return what usage brought in, by the numbers of the windows and by dimensions."""
    columns = ", ".join(f"{DIMENSIONS[name]} as v{place}" for place, name in enumerate(by))
    names = "".join(f", v{place}" for place in range(len(by)))
    providers, of_providers = (_PROVIDERS, _OF_PROVIDERS) if "provider" in by else ("", "")
    query = text(
        f"""
        with {_PLACED} {providers}
        select number - 1 {names}, denominator, sum(numerator)
        from (
            select asked.number, {columns}, {_DENOMINATOR} as denominator,
                {_NUMERATOR} as numerator
            from placed
            cross join lateral jsonb_to_recordset(placed.line -> 'details')
                as d (agent text, model text, kind text, usage_day date, amount_exact text)
            join asked on d.usage_day >= asked.first_day and d.usage_day < asked.end_day
            {of_providers}
        ) told
        group by number {names}, denominator
        """  # noqa: S608 - our own text
    ).bindparams(*_DAYS)
    rows = await connection.execute(query, _values(account, currency, windows))
    return await made_of(rows.all(), _usage_revenue)


async def read_fees(
    connection: AsyncConnection, account: Account, currency: str, windows: Sequence[Window]
) -> list[Fee]:
    """Return what is due for any day of the windows, each fee for all of its own days."""
    rows = await connection.execute(_FEES, _values(account, currency, windows))
    return await made_of(rows.all(), _fee)


async def count_open_periods(connection: AsyncConnection, account: Account, end: date) -> int:
    """Return how many subscriptions have days before `end` that are not billed, and will be."""
    query = text(
        "select count(*) from pricing.subscription s where vendor_id = :vendor_id "
        "and mode = :mode and next_start < :end and not exists (select from accounts.tenant t "
        "where t.vendor_id = :vendor_id and t.mode = :mode and t.tenant_id = s.tenant_id "
        "and t.billing = 'internal')"
    )
    found: int = (await connection.execute(query, {**keys(account), "end": end})).scalar_one()
    return found


def _values(account: Account, currency: str, windows: Sequence[Window]) -> dict[str, Any]:
    first = min(window.first for window in windows)
    return {
        **keys(account),
        "currency": currency,
        "since": first - timedelta(days=PERIOD_DAYS_MAX),
        "firsts": [window.first for window in windows],
        "ends": [window.end for window in windows],
    }


def _usage_revenue(number: int, *values: Any) -> UsageRevenue:
    *told, denominator, numerator = values
    return UsageRevenue(number, tuple(told), _amount(numerator, denominator))


def _fee(tenant: str, plan: str | None, model: str, first: date, end: date, *of: Decimal) -> Fee:
    denominator, numerator = of
    return Fee(tenant, plan, model, Window(first, end), _amount(numerator, denominator))


def _amount(numerator: Decimal, denominator: Decimal) -> Fraction:
    return Fraction(numerator) / Fraction(denominator)


_NUMERATOR = "cast(split_part(d.amount_exact, '/', 1) as numeric)"
_DENOMINATOR = "cast(coalesce(nullif(split_part(d.amount_exact, '/', 2), ''), '1') as numeric)"
"""An exact amount is a decimal, or n/d: those of one denominator are added, exactly."""

_DAYS = (bindparam("firsts", type_=ARRAY(Date)), bindparam("ends", type_=ARRAY(Date)))

_PLACED = """
asked as (
    select * from unnest(:firsts, :ends) with ordinality as a (first_day, end_day, number)
), told as (
    select tenant_id, period_start, period_end, content -> 'lines' as lines,
        price_book || '/' || (content ->> 'plan') as plan, content -> 'parts' as parts
    from pricing.statement
    where vendor_id = :vendor_id and mode = :mode and currency = :currency
      and kind in ('period', 'opening') and period_end >= :since
    union all
    select tenant_id, cast(content ->> 'period_start' as date),
        cast(content ->> 'period_end' as date), content -> 'lines', null, null
    from pricing.adjustment_credit
    where vendor_id = :vendor_id and mode = :mode and content ->> 'currency' = :currency
), placed as (
    select told.tenant_id, l.line,
        coalesce(adjusted.plan, told.plan) as plan,
        case when adjusted.plan is null then told.parts else adjusted.parts end as parts,
        coalesce(cast(l.line -> 'advance' ->> 'period_start' as date),
            cast(l.line -> 'adjusts' ->> 'period_start' as date), told.period_start) as first_day,
        coalesce(cast(l.line -> 'advance' ->> 'period_end' as date),
            cast(l.line -> 'adjusts' ->> 'period_end' as date), told.period_end) as end_day
    from told cross join lateral jsonb_array_elements(told.lines) as l (line)
    left join lateral (
        select s.price_book || '/' || (s.content ->> 'plan') as plan, s.content -> 'parts' as parts
        from pricing.statement s
        where s.vendor_id = :vendor_id and s.mode = :mode
          and s.statement_id = l.line -> 'adjusts' ->> 'statement_id'
        limit 1
    ) adjusted on true
    where l.line ->> 'credited' is null
      and not exists (
        select from accounts.tenant t
        where t.vendor_id = :vendor_id and t.mode = :mode and t.tenant_id = told.tenant_id
          and t.billing = 'internal')
)"""
"""Lines, each with its days and the plan, or the parts with a plan each, that it is rated by.

No join moves whole lines: they hold all their details, and are large.
"""

_PROVIDERS = """
, providers as (
    select tenant_id, agent, model, kind, usage_day,
        case when count(distinct provider) = 1 then min(provider) end as provider
    from pricing.usage_daily
    join asked on usage_day >= asked.first_day and usage_day < asked.end_day
    where vendor_id = :vendor_id and mode = :mode
    group by tenant_id, agent, model, kind, usage_day
)"""

_OF_PROVIDERS = """
        left join providers on providers.tenant_id = placed.tenant_id
            and providers.agent = d.agent and providers.model = d.model
            and providers.kind = d.kind and providers.usage_day = d.usage_day"""

_FEES = text(
    f"""
    with {_PLACED}
    select placed.tenant_id,
        case when placed.parts is null then placed.plan else (
            select case when count(distinct (p.price_book, p.plan)) = 1
                then min(p.price_book || '/' || p.plan) end
            from jsonb_to_recordset(placed.parts) as p (price_book text, plan text)
        ) end as plan,
        d.model, placed.first_day, placed.end_day,
        {_DENOMINATOR} as denominator, sum({_NUMERATOR})
    from placed
    cross join lateral jsonb_to_record(placed.line) as d (model text, amount_exact text)
    where jsonb_array_length(placed.line -> 'details') = 0
      and exists (select from asked
                  where placed.first_day < asked.end_day and placed.end_day > asked.first_day)
    group by 1, 2, 3, 4, 5, 6
    """  # noqa: S608 - our own text
).bindparams(*_DAYS)
