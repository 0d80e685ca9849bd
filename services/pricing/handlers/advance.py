"""The open period as its statement says it: with fees charged before, and those of the next one."""

from dataclasses import replace

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.advance import (
    ChargedFees,
    opening_of,
    own_key,
    priced_by,
    with_fees_in_advance,
)
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.statement import RatedStatement
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.billed import billed_line
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.progressive_credits import credited
from services.pricing.handlers.rating import RatedPeriod, rate_rows, rate_timeline
from services.pricing.handlers.timelines import KnownPlans, read_timeline
from services.pricing.repository import statements, usage
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES

Books = frozenset[str]
"""The books with fees in advance: the subscriptions of others are not asked for any."""


async def rate_subscription(
    connection: AsyncConnection,
    account: Account,
    subscription: RowMapping,
    period: Period,
    *,
    prices: ProviderPrices,
    in_advance: Books,
    meters: MeterLookup,
) -> RatedPeriod | None:
    """Rate the open period with the version in force at its start; None when there is none yet.

    `prices` say what the usage costs at its providers, `meters` find single values. Fees in advance
    are those of the next period by what is known of it now, and of this one what was not charged
    before. What progressive statements invoiced of the period is taken off.
    """
    rows = await usage.read_period(connection, account, subscription["tenant_id"], period)
    timeline = await read_timeline(connection, account, subscription)
    rated = await rate_rows(
        connection,
        account,
        subscription,
        timeline=timeline,
        period=period,
        rows=rows,
        prices=prices,
        meters=meters,
    )
    if rated is None:
        return None
    whole = await with_advance(connection, account, rated, timeline, in_advance=in_advance)
    return await credited(connection, account, whole)


async def with_advance(
    connection: AsyncConnection,
    account: Account,
    rated: RatedPeriod,
    timeline: Timeline,
    *,
    in_advance: Books,
    plans: KnownPlans | None = None,
) -> RatedPeriod:
    """Return a rated open period as its statement says it: fees in advance where they belong."""
    if not has_advance(rated.subscription, timeline, in_advance):
        return rated
    charged = await read_charged(connection, account, rated.subscription)
    following = await _following(connection, account, rated, timeline, plans)
    currency = CURRENCIES[rated.currency]
    settled = with_fees_in_advance(rated.rated, charged, following, currency=currency)
    return replace(rated, rated=settled)


def has_advance(subscription: RowMapping, timeline: Timeline, in_advance: Books) -> bool:
    """Tell whether something was charged of the open period before, or could be of the next one."""
    return subscription["charged_by"] is not None or bool(timeline.books & in_advance)


async def read_charged(
    connection: AsyncConnection, account: Account, subscription: RowMapping
) -> ChargedFees | None:
    """Return what was charged of the open period in advance; None: nothing."""
    statement_id = subscription["charged_by"]
    if statement_id is None:
        return None
    found = await statements.read_fees_in_advance(connection, account, statement_id)
    lines = [
        replace(billed_line(line), line_key=own_key(line.line_key))
        for line in found
        # The same statement may have changed what was charged of its own period.
        if line.advance is not None and line.advance.period_start >= subscription["next_start"]
    ]
    return ChargedFees(statement_id, tuple(lines))


async def _following(
    connection: AsyncConnection,
    account: Account,
    rated: RatedPeriod,
    timeline: Timeline,
    plans: KnownPlans | None,
) -> RatedStatement | None:
    """Return the next period's fees; None without one, or while it has no price yet.

    A version that is not the statement's own is named on their lines.
    """
    period = timeline.period_ahead(rated.period)
    if period is None:
        return None
    found = await rate_timeline(
        connection,
        account,
        rated.subscription,
        timeline=timeline,
        period=period,
        rows=(),
        plans=plans,
    )
    if found is None:
        return None
    version = (found.price_book, found.price_version)
    if version == (rated.price_book, rated.price_version):
        return found.rated
    return priced_by(found.rated, f"version {found.price_version} of {found.price_book}")


async def rate_opening(
    connection: AsyncConnection, account: Account, subscription: RowMapping, period: Period
) -> RatedPeriod | None:
    """Return the fees in advance of the first period that is charged, from its first such day on.

    It has no lines where there are none. None while no version is in force.
    """
    timeline = await read_timeline(connection, account, subscription)
    rated = await rate_timeline(
        connection, account, subscription, timeline=timeline, period=period, rows=()
    )
    if rated is None:
        return None
    opens_on = subscription["opens_on"]
    return replace(
        rated,
        kind="opening",
        period=Period(opens_on, period.end, period.whole_days),
        parts=tuple(part for part in rated.parts if part.starts_on >= opens_on),
        rated=opening_of(rated.rated),
    )
