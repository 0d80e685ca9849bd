"""The SQL of reconciling: the copy, what was rated of it, and what the statements say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any

from sqlalchemy import ARRAY, Date, Row, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys
from shared.accounts.repository import Account
from shared.usage_sums import UsageKey, UsageSum, read_sums, sums_of_day

_SUMS = sums_of_day("pricing.usage_daily")


async def read_sums_of_day(
    connection: AsyncConnection, account: Account, day: date
) -> dict[UsageKey, UsageSum]:
    """Return the sums of the copy of what is booked in a day."""
    return read_sums(await connection.execute(_SUMS, {**keys(account), "day": day}))


@dataclass(frozen=True)
class LastRating:
    """A closed period and up to which booked day, exclusive, its last rating knows its usage."""

    statement_id: str
    tenant_id: str
    subscription_id: str
    period_start: date
    period_end: date
    booked_before: date


_LAST_RATINGS = text(
    """
    select s.statement_id, s.tenant_id, s.subscription_id, s.period_start, s.period_end,
        coalesce(r.booked_before, s.period_end) as booked_before
    from pricing.statement s
    left join lateral (
        select booked_before from pricing.period_rating
        where vendor_id = s.vendor_id and mode = s.mode
          and subscription_id = s.subscription_id and sequence = s.sequence
        order by revision desc limit 1
    ) r on true
    where s.vendor_id = :vendor_id and s.mode = :mode and s.kind = 'period'
      and s.period_end > :first and s.period_end <= :end
    order by s.tenant_id, s.period_start, s.subscription_id
    """
)


async def list_last_ratings(
    connection: AsyncConnection, account: Account, first: date, end: date
) -> list[LastRating]:
    """Return the closed periods whose last day lies in [first, end), by tenant."""
    values = {**keys(account), "first": first, "end": end}
    rows = (await connection.execute(_LAST_RATINGS, values)).mappings()
    return [LastRating(**row) for row in rows]


@dataclass(frozen=True)
class DayQuantity:
    """How much of a kind a statement has for a day; None: unrated, which is kept without days."""

    statement_id: str
    model: str
    kind: str
    usage_day: date | None
    quantity: Decimal


_RATED = text(
    """
    with last as (
        select s.statement_id, coalesce(r.content, s.content) as content
        from pricing.statement s
        left join lateral (
            select content from pricing.period_rating
            where vendor_id = s.vendor_id and mode = s.mode
              and subscription_id = s.subscription_id and sequence = s.sequence
            order by revision desc limit 1
        ) r on true
        where s.vendor_id = :vendor_id and s.mode = :mode and s.statement_id = any(:statements)
    )
    select last.statement_id, d.model, d.kind, d.usage_day, sum(d.quantity) as quantity
    from last, jsonb_array_elements(last.content -> 'lines') as l (line),
        jsonb_to_recordset(l.line -> 'details')
            as d (model text, kind text, usage_day date, quantity numeric)
    where l.line ->> 'model' <> 'surcharge'
    group by 1, 2, 3, 4
    union all
    select last.statement_id, u.model, u.kind, null, sum(u.quantity)
    from last, jsonb_to_recordset(last.content -> 'unrated')
        as u (model text, kind text, quantity numeric)
    group by 1, 2, 3
    """
).bindparams(bindparam("statements", type_=ARRAY(Text)))
"""A surcharge comes on top of other charges: what it counts is counted by those."""


async def read_rated(
    connection: AsyncConnection, account: Account, statement_ids: Sequence[str]
) -> list[DayQuantity]:
    """Return what the last ratings of periods say was used, rated and unrated."""
    values = {**keys(account), "statements": list(statement_ids)}
    rows = (await connection.execute(_RATED, values)).mappings()
    return [DayQuantity(**row) for row in rows]


_USED = text(
    """
    select wanted.statement_id, used.*
    from unnest(:statements, :tenants, :starts, :ends, :seen)
        as wanted (statement_id, tenant_id, starts_on, ends_on, seen)
    cross join lateral (
        select model, kind, usage_day, sum(quantity) as quantity
        from pricing.usage_daily
        where vendor_id = :vendor_id and mode = :mode and tenant_id = wanted.tenant_id
          and usage_day >= wanted.starts_on and usage_day < wanted.ends_on
          and booked_day < wanted.seen
        group by model, kind, usage_day
    ) used
    """
).bindparams(
    *(bindparam(name, type_=ARRAY(Text)) for name in ("statements", "tenants")),
    *(bindparam(name, type_=ARRAY(Date)) for name in ("starts", "ends", "seen")),
)


async def read_used(
    connection: AsyncConnection, account: Account, ratings: Sequence[LastRating]
) -> list[DayQuantity]:
    """Return what the copy has of the usage that the ratings knew of."""
    values = {
        "statements": [one.statement_id for one in ratings],
        "tenants": [one.tenant_id for one in ratings],
        "starts": [one.period_start for one in ratings],
        "ends": [one.period_end for one in ratings],
        "seen": [one.booked_before for one in ratings],
    }
    rows = (await connection.execute(_USED, {**keys(account), **values})).mappings()
    return [DayQuantity(**row) for row in rows]


_NOT_RATED = text(
    """
    select subscription_id, tenant_id, next_start, next_end
    from pricing.subscription
    where vendor_id = :vendor_id and mode = :mode and next_end <= :through and next_end > :first
    order by tenant_id, subscription_id
    """
)


async def list_periods_not_rated(
    connection: AsyncConnection, account: Account, first: date, through: date
) -> Sequence[Row[Any]]:
    """Return the open periods that ended after `first`, up to `through`: they wait for something.

    Both are days at whose beginning a period may end; `through` is known to be sealed.
    """
    values = {**keys(account), "first": first, "through": through}
    return (await connection.execute(_NOT_RATED, values)).all()


_WITHOUT_SUBSCRIPTION = text(
    """
    select u.tenant_id, u.kind, sum(u.quantity) as quantity,
        min(u.usage_day) as first_day, max(u.usage_day) as last_day
    from pricing.usage_daily u
    where u.vendor_id = :vendor_id and u.mode = :mode
      and u.usage_day >= :first and u.usage_day < :end
      and not starts_with(u.kind, 'meter:')
      and not exists (
        select from pricing.subscription s
        where s.vendor_id = u.vendor_id and s.mode = u.mode and s.tenant_id = u.tenant_id
          and s.starts_on <= u.usage_day and (s.last_day is null or s.last_day >= u.usage_day))
      and not exists (
        select from accounts.tenant t
        where t.vendor_id = u.vendor_id and t.mode = u.mode and t.tenant_id = u.tenant_id
          and t.billing = 'internal')
    group by u.tenant_id, u.kind having sum(u.quantity) <> 0
    order by u.tenant_id, u.kind
    """
)


async def list_without_subscription(
    connection: AsyncConnection, account: Account, first: date, end: date
) -> Sequence[Row[Any]]:
    """Return usage of the days [first, end) that no subscription is there for, by kind."""
    values = {**keys(account), "first": first, "end": end}
    return (await connection.execute(_WITHOUT_SUBSCRIPTION, values)).all()


@dataclass(frozen=True)
class BilledStatement:
    """A statement as invoicing received it; `drawn` and `returned` are exact amounts of credit."""

    statement_id: str
    tenant_id: str
    currency: str
    total_exact: str
    rating_hash: str
    drawn: Sequence[str]
    returned: Sequence[str]


_BILLED = text(
    """
    select statement_id, tenant_id, currency, total_exact, rating_hash,
        array(select c ->> 'amount_exact'
              from jsonb_array_elements(content -> 'credits') as c) as drawn,
        array(select r ->> 'amount_exact'
              from jsonb_array_elements(content -> 'returns') as r) as returned
    from pricing.statement
    where vendor_id = :vendor_id and mode = :mode and period_end > :first and period_end <= :end
    order by statement_id
    """
)


async def list_billed(
    connection: AsyncConnection, account: Account, first: date, end: date
) -> list[BilledStatement]:
    """Return the statements of every kind whose last day lies in [first, end)."""
    values = {**keys(account), "first": first, "end": end}
    rows = (await connection.execute(_BILLED, values)).mappings()
    return [BilledStatement(**row) for row in rows]


@dataclass(frozen=True)
class BilledLine:
    """A line of a statement: how many details it has, what they add up to, a digest of them."""

    line_key: str
    amount_exact: str
    quantity: Decimal
    details: int
    details_quantity: Decimal
    details_digest: str | None


_LINES = text(
    """
    select s.statement_id, l.line ->> 'line_key' as line_key,
        l.line ->> 'amount_exact' as amount_exact,
        cast(l.line ->> 'quantity' as numeric) as quantity,
        jsonb_array_length(l.line -> 'details') as details,
        d.quantity as details_quantity, d.digest as details_digest
    from pricing.statement s, jsonb_array_elements(s.content -> 'lines') as l (line),
        lateral (
            select coalesce(sum(cast(one ->> 'quantity' as numeric)), 0) as quantity,
                md5(string_agg(concat_ws('|', one ->> 'agent', one ->> 'model', one ->> 'kind',
                    one ->> 'usage_day', trim_scale(cast(one ->> 'quantity' as numeric)),
                    one ->> 'amount_exact'), e'\n' order by position)) as digest
            from jsonb_array_elements(l.line -> 'details') with ordinality as d (one, position)
        ) d
    where s.vendor_id = :vendor_id and s.mode = :mode and s.statement_id = any(:statements)
    """
).bindparams(bindparam("statements", type_=ARRAY(Text)))


async def read_billed_lines(
    connection: AsyncConnection, account: Account, statement_ids: Sequence[str]
) -> Mapping[str, list[BilledLine]]:
    """Return the lines of each statement."""
    found: dict[str, list[BilledLine]] = {name: [] for name in statement_ids}
    values = {**keys(account), "statements": list(statement_ids)}
    for row in (await connection.execute(_LINES, values)).mappings():
        line = dict(row)
        found[line.pop("statement_id")].append(BilledLine(**line))
    return found
