"""Rules of the rollups: what one holds, the other holds too."""

from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from services.metering.invariants.rule import OF_SCOPE, Finding, Scope, read

_KEY = "vendor_id, mode, tenant_id, usage_day, booked_day, kind, entry"
_BOTH = f"""
with main as (
    select {_KEY}, sum(quantity) as quantity, sum(events) as events
    from metering.rollup where {OF_SCOPE} group by {_KEY}
), by_user as (
    select {_KEY}, sum(quantity) as quantity, sum(events) as events
    from metering.user_rollup where {OF_SCOPE} group by {_KEY}
)
select {_KEY}, m.quantity, u.quantity as of_users,
    m.quantity is distinct from u.quantity or m.events is distinct from u.events as differs
from main m full join by_user u using ({_KEY})
order by {_KEY}
"""  # noqa: S608 - our own text
_BOUNDS = f"""
with kinds as (
    select vendor_id, mode, kind, sum(events) as events
    from metering.rollup where {OF_SCOPE} and entry = 'usage'
    group by vendor_id, mode, kind
), sums as (
    select vendor_id, mode, max(events) as of_one_kind, sum(events) as of_all_kinds
    from kinds group by vendor_id, mode
), counted as (
    select vendor_id, mode, sum(counted) as counted
    from metering.counting_statistic where {OF_SCOPE} group by vendor_id, mode
)
select vendor_id, mode, coalesce(counted, 0) as counted,
    coalesce(of_one_kind, 0) as of_one_kind, coalesce(of_all_kinds, 0) as of_all_kinds
from counted full join sums using (vendor_id, mode)
order by vendor_id, mode
"""  # noqa: S608 - our own text


@dataclass(frozen=True)
class UserRollupAgrees:
    """Usage by user adds up to usage by price, per tenant, days, kind and entry."""

    name: str = "rollup = rollup by user"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        rows = await read(connection, _BOTH, scope)
        return Finding(
            len(rows),
            [
                f"{'/'.join(map(str, row[:7]))}: {row.quantity}, by user {row.of_users}"
                for row in rows
                if row.differs
            ],
        )


@dataclass(frozen=True)
class RollupHoldsCounted:
    """Every counted event is in the rollup: once per kind, and it has at least one kind.

    So no kind has more events than were counted, and all kinds together have no fewer. Per account:
    a row of the rollup may hold events of several partitions.
    """

    name: str = "rollup holds what was counted"

    async def check(self, connection: AsyncConnection, scope: Scope) -> Finding:
        rows = await read(connection, _BOUNDS, scope)
        return Finding(
            len(rows),
            [
                f"{row.vendor_id}/{row.mode}: counted {row.counted}, "
                f"in one kind {row.of_one_kind}, in all {row.of_all_kinds}"
                for row in rows
                if not row.of_one_kind <= row.counted <= row.of_all_kinds
            ],
        )
