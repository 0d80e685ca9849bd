"""Writes of reservations: each changes one, what it counts in and its log in one statement.

A reservation counts its steps: a write that meets another number than was read changes nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal

from sqlalchemy import Boolean, DateTime, RowMapping, Text, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys
from shared.accounts.repository import Account
from shared.database import driver_of

_MAKE = """
with made as (
  insert into pricing.reservation
    (vendor_id, mode, reservation_id, tenant, run, estimate_exact, expires_at, created_at,
     team, agent, "user", ledger, state, committed_exact, steps)
  values ($1, $2, $3, $4, $5, $6, $7, $8, $12, $13, $14, $15, 'open', '', 1)
  on conflict do nothing
  returning steps)
"""
_EXTEND = """
with made as (
  update pricing.reservation
  set estimate_exact = $6, state = 'open', expires_at = $7, steps = steps + 1
  where vendor_id = $1 and mode = $2 and reservation_id = $3 and steps = $12
  returning steps)
"""
_HOLD = """,
held as (
  insert into pricing.reservation_hold (vendor_id, mode, reservation_id, name, period_start)
  select $1, $2, $3, one.name, one.period_start
  from made, unnest($9::text[], $10::date[]) as one (name, period_start)
  on conflict do nothing),
logged as (
  insert into pricing.reservation_log
    (vendor_id, mode, reservation_id, tenant, run, number, what, amount_exact, at)
  select $1, $2, $3, $4, $5, made.steps - 1,
         case made.steps when 1 then 'reserve' else 'extend' end, $11, $8
  from made)
select count(*) from made
"""
_TEXTS = ("vendor_id", "mode", "reservation_id", "tenant")
_END = text(
    """
    with ended as (
      update pricing.reservation
      set state = :ending, steps = steps + 1,
          committed_exact = case when :commits then :amount else committed_exact end,
          committed_at = case when :commits then :now else committed_at end
      where vendor_id = :vendor_id and mode = :mode and reservation_id = :reservation_id
        and state = :state and (:any_tenant or tenant = :tenant)
      returning *),
    let_go as (
      delete from pricing.reservation_hold h using ended
      where not :commits and h.vendor_id = :vendor_id and h.mode = :mode
        and h.reservation_id = ended.reservation_id),
    logged as (
      insert into pricing.reservation_log
        (vendor_id, mode, reservation_id, number, tenant, run, what, amount_exact, at)
      select vendor_id, mode, reservation_id, steps - 1, tenant, run, :what, :amount, :now
      from ended)
    select * from ended
    """
).bindparams(
    *(bindparam(name, type_=Text) for name in (*_TEXTS, "ending", "state", "amount", "what")),
    *(bindparam(name, type_=Boolean) for name in ("commits", "any_tenant")),
    bindparam("now", type_=DateTime(timezone=True)),
)


@dataclass(frozen=True)
class Holding:
    """What is held: amounts are exact, `more` is what comes on top of what was held before.

    work     (team, agent, user)
    periods  name of an envelope -> first day of its period
    """

    reservation_id: str
    tenant: str
    run: str
    work: tuple[str, str, str]
    ledger: str
    estimate: str
    more: str
    now: datetime
    expires_at: datetime
    periods: Mapping[str, date]


async def hold(
    connection: AsyncConnection, account: Account, holding: Holding, *, steps: int
) -> bool:
    """Store a reservation that has made `steps` steps, 0 for a new one, and what it holds from.

    False, and nothing is changed, if by now it has made another number of them.
    """
    driver = await driver_of(connection)
    common = (
        *(account.vendor_id, account.mode, holding.reservation_id, holding.tenant, holding.run),
        *(holding.estimate, holding.expires_at, holding.now),
        *(list(holding.periods), list(holding.periods.values()), holding.more),
    )
    if steps:
        return bool(await driver.fetchval(_EXTEND + _HOLD, *common, steps))
    return bool(await driver.fetchval(_MAKE + _HOLD, *common, *holding.work, holding.ledger))


@dataclass(frozen=True)
class Ending:
    """How a reservation ends; `amount` is exact, `tenant` the only one whose it may be."""

    reservation_id: str
    state: Literal["committed", "released"]
    amount: str
    at: datetime
    tenant: str | None


async def end(
    connection: AsyncConnection, account: Account, ending: Ending, *, state: str
) -> RowMapping | None:
    """End a reservation that is in a state, and return it; None if none of the kind is."""
    values = {
        **keys(account),
        "reservation_id": ending.reservation_id,
        "ending": ending.state,
        "commits": ending.state == "committed",
        "what": {"committed": "commit", "released": "release"}[ending.state],
        "amount": ending.amount,
        "now": ending.at,
        "state": state,
        "any_tenant": ending.tenant is None,
        "tenant": ending.tenant or "",
    }
    return (await connection.execute(_END, values)).mappings().first()
