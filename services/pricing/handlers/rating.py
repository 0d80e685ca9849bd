"""Rating one period of a subscription from the copy of the usage: for bills and statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain import statement as domain
from services.pricing.domain.adjustment import BilledPeriod
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import RatingTerms, rate_period
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import rate_parts
from services.pricing.domain.subscription.timeline import Stretch, Timeline
from services.pricing.domain.usage import Usage
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.sharing import own_usage
from services.pricing.handlers.timelines import KnownPlans, SoldPlan
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.events.statement_rated import StatementPart


@dataclass(frozen=True)
class RatedPeriod:
    """A period with the price version that it was rated by.

    `rated` is what the statement says; where that holds adjustments, `own` is it without them.
    """

    subscription: RowMapping
    sequence: int
    period: Period
    currency: str
    price_book: str
    price_version: int
    price_hash: str
    plan: str
    rated: domain.RatedStatement
    parts: tuple[StatementPart, ...] = ()
    own: domain.RatedStatement | None = None
    reratings: tuple["Rerating", ...] = ()
    kind: Literal["period", "opening"] = "period"


@dataclass(frozen=True)
class Rerating:
    """A closed period that was rated again: its last rating and the one by what is known now."""

    last: BilledPeriod
    sequence: int
    revision: int
    now: domain.RatedStatement


async def rate_rows(
    connection: AsyncConnection,
    account: Account,
    subscription: RowMapping,
    *,
    timeline: Timeline,
    period: Period,
    rows: Sequence[Usage],
    prices: ProviderPrices,
    meters: MeterLookup,
    plans: KnownPlans | None = None,
) -> RatedPeriod | None:
    """Rate what is the subscription's of a tenant's rows; its period is open or closed.

    None while no version is in force. Fees in advance are rated like all others, for this period.
    """
    own = await own_usage(connection, account, subscription, list(rows))
    return await rate_timeline(
        connection,
        account,
        subscription,
        timeline=timeline,
        period=period,
        rows=own,
        prices=prices,
        meters=meters,
        plans=plans,
    )


async def rate_timeline(
    connection: AsyncConnection,
    account: Account,
    subscription: RowMapping,
    *,
    timeline: Timeline,
    period: Period,
    rows: Sequence[Usage],
    meters: MeterLookup | None = None,
    prices: ProviderPrices | None = None,
    plans: KnownPlans | None = None,
) -> RatedPeriod | None:
    """Rate rows by what a timeline says of a period: in parts, where something changes in it.

    `meters` find single values: without, only fees can be read off the result. `plans` know what
    was asked for before.
    """
    stretches = timeline.stretches(period)
    known = plans or KnownPlans()
    sold = [
        await known.read(connection, account, stretch.terms, on=stretch.version_on)
        for stretch in stretches
    ]
    found = [one for one in sold if one is not None]
    if len(found) < len(stretches):
        return None
    last = found[-1]
    whole = len(found) == 1 and stretches[0].charged == "all" and not last.overrides
    parts = [_part(stretch, one) for stretch, one in zip(stretches, found, strict=True)]
    if meters is not None:
        parts = await meters.read(connection, subscription["tenant_id"], parts)
    currency = CURRENCIES[last.currency]
    if whole:
        terms = RatingTerms(
            price_hash=last.price_hash,
            plan=last.plan,
            currency=currency,
            seats=stretches[0].seats,
            period=period,
        )
        rated = rate_period(terms, rows, parts[0].readings, prices=prices)
    else:
        rated = rate_parts(SplitTerms(tuple(parts), currency), rows, prices=prices)
    return RatedPeriod(
        subscription=subscription,
        sequence=subscription["next_sequence"],
        period=period,
        currency=last.currency,
        price_book=last.price_book,
        price_version=last.price_version,
        price_hash=last.price_hash,
        plan=last.plan.key,
        rated=rated,
        parts=() if whole else tuple(map(_part_of_statement, stretches, found)),
    )


def _part(stretch: Stretch, sold: SoldPlan) -> Part:
    return Part(
        period=stretch.period,
        plan=sold.plan,
        price_book=sold.price_book,
        price_hash=sold.price_hash,
        seats=stretch.seats,
        charged=stretch.charged,
        overridden=sold.overridden,
        overrides=sold.overrides,
    )


def _part_of_statement(stretch: Stretch, sold: SoldPlan) -> StatementPart:
    return StatementPart(
        starts_on=stretch.period.start,
        price_book=sold.price_book,
        price_version=sold.price_version,
        price_hash=sold.price_hash,
        plan=sold.plan.key,
        charged=stretch.charged,
    )
