"""Several subscriptions of one tenant: who rates which usage, and that no two claim the same."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.plan import Plan
from services.pricing.domain.subscription.ownership import Holder, common_claims, owner_of
from services.pricing.domain.subscription.terms import Terms
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.domain.usage import Usage
from services.pricing.handlers.timelines import KnownPlans, plan_of, read_plan, read_timeline
from services.pricing.repository import catalog, subscriptions
from shared.accounts.repository import Account
from shared.errors import conflict


@dataclass
class _Held:
    """A subscription with the plans of the days that were asked for."""

    subscription_id: str
    timeline: Timeline
    plans: dict[date, Plan | None] = field(default_factory=dict)

    def holder(self) -> Holder:
        told = self.timeline
        return Holder(self.subscription_id, told.starts_on, told.last_day, self.plans.get)


async def own_usage(
    connection: AsyncConnection, account: Account, subscription: RowMapping, rows: list[Usage]
) -> list[Usage]:
    """Return the rows that a subscription rates; all of them unless the tenant has several."""
    if not subscription["shares"]:
        return rows
    days = sorted({row.usage_day for row in rows})
    holders = await read_holders(connection, account, subscription["tenant_id"], days)
    name = subscription["subscription_id"]
    return [row for row in rows if owner_of(row, holders) == name]


async def read_holders(
    connection: AsyncConnection, account: Account, tenant_id: str, days: Sequence[date]
) -> list[Holder]:
    """Return the subscriptions of a tenant, with what each claims on the days that are named."""
    held = await _held(connection, account, tenant_id)
    known = KnownPlans()
    for one in held:
        for day in days:
            if one.holder().holds(day):
                terms, version_on = one.timeline.priced_on(day)
                sold = await known.read(connection, account, terms, on=version_on)
                one.plans[day] = sold.plan if sold else None
    return [one.holder() for one in held]


async def _held(connection: AsyncConnection, account: Account, tenant_id: str) -> list[_Held]:
    rows = await subscriptions.list_of_tenant(connection, account, tenant_id)
    return [
        _Held(row["subscription_id"], await read_timeline(connection, account, row)) for row in rows
    ]


async def refuse_common_claims(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> None:
    """Refuse that two subscriptions of a tenant could claim the same usage on a common day.

    Looked at are all plans that either is on then, by its schedule, in the version in force and in
    every later one. Raises `subscriptions_claim_same_usage`.
    """
    rows = await subscriptions.list_of_tenant(connection, account, tenant_id)
    running = [row for row in rows if row["next_start"] is not None]
    for one, other in combinations(running, 2):
        pair = [await read_timeline(connection, account, row) for row in (one, other)]
        days = _common_days(pair)
        if days is None:
            continue
        sold = [await _plans_within(connection, account, told, days) for told in pair]
        for first in sold[0]:
            for second in sold[1]:
                if common := common_claims(first, second):
                    left, right = common[0]
                    names = f"{one['subscription_id']!r} and {other['subscription_id']!r}"
                    message = f"{names} claim the same usage, by {left!r} and {right!r}."
                    raise conflict(
                        "subscriptions_claim_same_usage", message, subject=other["subscription_id"]
                    )


def _common_days(pair: Sequence[Timeline]) -> tuple[date, date] | None:
    first = max(told.starts_on for told in pair)
    last = min(told.last_day or date.max for told in pair)
    return (first, last) if first <= last else None


async def _plans_within(
    connection: AsyncConnection, account: Account, told: Timeline, days: tuple[date, date]
) -> list[Plan]:
    """Return every plan, in every version, that a subscription may be on within days."""
    first, last = days
    starts = [first, *(c.effective_on for c in told.standing if first < c.effective_on <= last)]
    plans = []
    for day in sorted(set(starts)):
        terms, version_on = told.priced_on(day)
        plans += await _versions(connection, account, terms, version_on)
    return plans


async def _versions(
    connection: AsyncConnection, account: Account, terms: Terms, on: date
) -> list[Plan]:
    sold = await read_plan(connection, account, terms, on=on)
    plans = [sold.plan] if sold else []
    if terms.price_version is not None and terms.stays:
        return plans
    rows = await catalog.versions_after(connection, account, terms.price_book, on=on)
    return plans + [sold.plan for row in rows if (sold := plan_of(row, terms)) is not None]
