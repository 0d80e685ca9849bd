"""Everything that a decision about envelopes needs, in one statement: round trips are what costs.

It is read after the envelopes are locked, in a statement of its own: so it sees what whoever held
the lock before has written.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from shared.accounts.repository import Account
from shared.database import driver_of

Row = Mapping[str, Any]
"""Columns of a row; moments and days as ISO 8601 text."""


@dataclass(frozen=True)
class Facts:
    """What is known of envelopes in their periods; `look` is None before the first look."""

    look: Row | None
    spent: list[Row]
    movements: list[Row]
    holds: list[Row]


@dataclass(frozen=True)
class Before:
    """What is known of who asks.

    reservation  as it is by now; None: there is none
    under_way    whether its run has been granted something before
    approved     names of the envelopes in which its run is approved now
    asked        (when, how much) its run asked for since a moment, exclusive
    """

    reservation: Row | None
    under_way: bool
    approved: frozenset[str]
    asked: list[tuple[datetime, str]]


_FACTS = """
with one (name, period_start) as (select * from unnest($3::text[], $4::date[])),
held as (
  select distinct h.name, r.reservation_id, r.ledger, r.state, r.estimate_exact,
         r.committed_exact, r.expires_at, r.committed_at
  from one
  join pricing.reservation_hold h on h.vendor_id = $1 and h.mode = $2 and h.name = one.name
  join pricing.reservation r
    on r.vendor_id = $1 and r.mode = $2 and r.reservation_id = h.reservation_id
  where r.reservation_id <> $5)
select jsonb_build_object(
  'look', (select to_jsonb(l) from pricing.envelope_look l
    where l.vendor_id = $1 and l.mode = $2),
  'spent', (select jsonb_agg(to_jsonb(s)) from one join pricing.envelope_spend s
    on s.vendor_id = $1 and s.mode = $2 and s.name = one.name
   and s.period_start = one.period_start),
  'movements', (select jsonb_agg(to_jsonb(m) order by m.position)
    from one join pricing.envelope_movement m
    on m.vendor_id = $1 and m.mode = $2 and m.name = one.name
   and m.period_start = one.period_start),
  'open', (select jsonb_agg(to_jsonb(o)) from (
    select name, ledger, 'open' as state, sum(estimate_exact::numeric)::text as estimate_exact,
           '' as committed_exact, min(expires_at) as expires_at, null as committed_at
    from held where state = 'open' and expires_at > $6 group by name, ledger) o),
  'committed', (select jsonb_agg(to_jsonb(c)) from held c where state = 'committed')
)::text as facts
"""
"""Open holds of a ledger are one that ends with the first of them: estimates are decimals."""
_BEFORE = """,
jsonb_build_object(
  'reservation', (select to_jsonb(r) from pricing.reservation r
    where r.vendor_id = $1 and r.mode = $2 and r.reservation_id = $5),
  'under_way', $8 <> '' and exists (
    select from pricing.reservation_log g
    where g.vendor_id = $1 and g.mode = $2 and g.tenant = $7 and g.run = $8),
  'approved', (select jsonb_agg(a.name) from one join pricing.envelope_approval a
    on a.vendor_id = $1 and a.mode = $2 and a.name = one.name
    where $8 <> '' and a.run = $8 and a.until > $6),
  'asked', (select jsonb_agg(jsonb_build_array(g.at, g.amount_exact))
    from pricing.reservation_log g
    where $8 <> '' and g.vendor_id = $1 and g.mode = $2 and g.tenant = $7 and g.run = $8
      and g.what in ('reserve', 'extend') and g.at > $9)
)::text as before
"""
_READ_ALL = _FACTS + _BEFORE


@dataclass(frozen=True)
class Asking:
    """Who asks, at a moment; `since` is how far back one looks at what its run asked for."""

    reservation_id: str
    tenant: str
    run: str
    now: datetime
    since: datetime


async def read_facts(
    connection: AsyncConnection, account: Account, periods: Mapping[str, date], now: datetime
) -> Facts:
    """Return what is known of envelopes; `periods` has each name's first day of its period."""
    driver = await driver_of(connection)
    of_envelopes = list(periods), list(periods.values())
    row = await driver.fetchrow(_FACTS, account.vendor_id, account.mode, *of_envelopes, "", now)
    return _facts(row)


async def read_all(
    connection: AsyncConnection, account: Account, periods: Mapping[str, date], asking: Asking
) -> tuple[Facts, Before]:
    """Return the same without what the reservation itself holds, and what is known of who asks.

    Work without a run has no history.
    """
    driver = await driver_of(connection)
    row = await driver.fetchrow(
        *(_READ_ALL, account.vendor_id, account.mode, list(periods), list(periods.values())),
        *(asking.reservation_id, asking.now, asking.tenant, asking.run, asking.since),
    )
    found = msgspec.json.decode(row["before"])
    before = Before(
        reservation=found["reservation"],
        under_way=found["under_way"],
        approved=frozenset(found["approved"] or ()),
        asked=[(moment(at), amount) for at, amount in found["asked"] or ()],
    )
    return _facts(row), before


def _facts(row: Any) -> Facts:
    found = msgspec.json.decode(row["facts"])
    holds = [*(found["open"] or ()), *(found["committed"] or ())]
    return Facts(found["look"], found["spent"] or [], found["movements"] or [], holds)


def moment(written: str) -> datetime:
    """Return a moment that was written by Postgres as JSON."""
    return datetime.fromisoformat(written)
