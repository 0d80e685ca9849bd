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
from services.pricing.repository.selection import keys
from shared.accounts.repository import Account

PERIOD_DAYS_MAX = 31
"""A fee in advance stands on the statement of the period before its own."""

DIMENSIONS: dict[str, str] = {
    "tenant": "placed.tenant_id",
    "plan": "terms.plan",
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
    columns = "".join(f", {DIMENSIONS[name]}" for name in by)
    terms = "left join terms on terms.statement_id = placed.statement_id" if "plan" in by else ""
    in_terms = _IN_TERMS if "plan" in by else ""
    providers = _OF_PROVIDERS if "provider" in by else ""
    query = text(
        f"""
        with {_PLACED}, {_TERMS}, {_PROVIDERS}
        select asked.number - 1 {columns}, {_DENOMINATOR}, sum({_NUMERATOR})
        from placed {terms}
        cross join lateral jsonb_to_recordset(placed.line -> 'details')
            as d (agent text, model text, kind text, usage_day date, amount_exact text)
        join asked on d.usage_day >= asked.first_day and d.usage_day < asked.end_day {in_terms}
        {providers}
        group by asked.number {columns}, {_DENOMINATOR}
        """  # noqa: S608 - our own text
    ).bindparams(*_DAYS)
    rows = await connection.execute(query, _values(account, currency, windows))
    return [
        UsageRevenue(number, tuple(values), _amount(numerator, denominator))
        for number, *values, denominator, numerator in rows.all()
    ]


async def read_fees(
    connection: AsyncConnection, account: Account, currency: str, windows: Sequence[Window]
) -> list[Fee]:
    """Return what is due for any day of the windows, each fee for all of its own days."""
    rows = await connection.execute(_FEES, _values(account, currency, windows))
    return [
        Fee(tenant, plan, model, Window(first, end), _amount(numerator, denominator))
        for tenant, plan, model, first, end, denominator, numerator in rows.all()
    ]


async def count_open_periods(connection: AsyncConnection, account: Account, end: date) -> int:
    """Return how many subscriptions have days before `end` that are not billed yet."""
    query = text(
        "select count(*) from pricing.subscription where vendor_id = :vendor_id "
        "and mode = :mode and next_start < :end"
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
    select tenant_id, statement_id, period_start, period_end, content -> 'lines' as lines
    from pricing.statement
    where vendor_id = :vendor_id and mode = :mode and currency = :currency
      and kind in ('period', 'opening') and period_end >= :since
    union all
    select tenant_id, statement_id, cast(content ->> 'period_start' as date),
        cast(content ->> 'period_end' as date), content -> 'lines'
    from pricing.adjustment_credit
    where vendor_id = :vendor_id and mode = :mode and content ->> 'currency' = :currency
), placed as (
    select told.tenant_id, l.line,
        coalesce(l.line -> 'adjusts' ->> 'statement_id', told.statement_id) as statement_id,
        coalesce(cast(l.line -> 'advance' ->> 'period_start' as date),
            cast(l.line -> 'adjusts' ->> 'period_start' as date), told.period_start) as first_day,
        coalesce(cast(l.line -> 'advance' ->> 'period_end' as date),
            cast(l.line -> 'adjusts' ->> 'period_end' as date), told.period_end) as end_day
    from told cross join lateral jsonb_array_elements(told.lines) as l (line)
    where l.line ->> 'credited' is null
      and not exists (
        select from accounts.tenant t
        where t.vendor_id = :vendor_id and t.mode = :mode and t.tenant_id = told.tenant_id
          and t.billing = 'internal')
)"""

_TERMS = """
terms as (
    select statement_id, price_book || '/' || (content ->> 'plan') as plan,
        date '-infinity' as starts_on, date 'infinity' as ends_on
    from pricing.statement
    where vendor_id = :vendor_id and mode = :mode and content -> 'parts' is null
    union all
    select statement_id, price_book || '/' || plan,
        case when number = 1 then date '-infinity' else starts_on end,
        coalesce(lead(starts_on) over (partition by statement_id order by number),
            date 'infinity')
    from (
        select s.statement_id, p.number, p.part ->> 'price_book' as price_book,
            p.part ->> 'plan' as plan, cast(p.part ->> 'starts_on' as date) as starts_on
        from pricing.statement s
        cross join lateral jsonb_array_elements(s.content -> 'parts')
            with ordinality as p (part, number)
        where s.vendor_id = :vendor_id and s.mode = :mode
    ) parts
)"""

_PROVIDERS = """
providers as (
    select tenant_id, agent, model, kind, usage_day,
        case when count(distinct provider) = 1 then min(provider) end as provider
    from pricing.usage_daily
    join asked on usage_day >= asked.first_day and usage_day < asked.end_day
    where vendor_id = :vendor_id and mode = :mode
    group by tenant_id, agent, model, kind, usage_day
)"""

_IN_TERMS = """
            and (terms.statement_id is null
                or (d.usage_day >= terms.starts_on and d.usage_day < terms.ends_on))"""
"""The terms of a statement are joined before its details unfold: few rows instead of many."""

_OF_PROVIDERS = """
        left join providers on providers.tenant_id = placed.tenant_id
            and providers.agent = d.agent and providers.model = d.model
            and providers.kind = d.kind and providers.usage_day = d.usage_day"""

_FEES = text(
    f"""
    with {_PLACED}, {_TERMS}, plans as (
        select statement_id, case when count(distinct plan) = 1 then min(plan) end as plan
        from terms group by statement_id
    )
    select placed.tenant_id, plans.plan, d.model, placed.first_day, placed.end_day,
        {_DENOMINATOR}, sum({_NUMERATOR})
    from placed
    cross join lateral jsonb_to_record(placed.line) as d (model text, amount_exact text)
    left join plans on plans.statement_id = placed.statement_id
    where jsonb_array_length(placed.line -> 'details') = 0
      and exists (select from asked
                  where placed.first_day < asked.end_day and placed.end_day > asked.first_day)
    group by 1, 2, 3, 4, 5, {_DENOMINATOR}
    """  # noqa: S608 - our own text
).bindparams(*_DAYS)
