"""Rating one period of a subscription from the copy of the usage: for bills and statements."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain import statement as domain
from services.pricing.domain.adjustment import BilledPeriod
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.domain.rating import RatedAmounts, RatingTerms, rate_amounts, rate_period
from services.pricing.domain.split.parts import Part, SplitTerms
from services.pricing.domain.split.rating import part_amounts, rate_parts
from services.pricing.domain.subscription.timeline import Stretch, Timeline
from services.pricing.domain.usage import Usage, UsageGroup
from services.pricing.handlers.beside_usage import RatedDays, read_beside
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.sharing import own_usage
from services.pricing.handlers.timelines import KnownPlans, SoldPlan, read_timeline
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.events.statement_rated import SpendReached, StatementPart


@dataclass(frozen=True)
class RatedPeriod:
    """A period with the price version that it was rated by.

    `rated` is what the statement says; where that holds adjustments, `own` is it without them.
    `reratings` are on the statement, `credited` ones are settled apart from it.
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
    credited: tuple["Rerating", ...] = ()
    kind: Literal["period", "opening", "progressive"] = "period"
    reached: SpendReached | None = None


@dataclass(frozen=True)
class Rerating:
    """A closed period that was rated again: its last rating and the one by what is known now."""

    last: BilledPeriod
    sequence: int
    revision: int
    now: domain.RatedStatement


@dataclass(frozen=True)
class PricedPeriod:
    """A period of a subscription with the terms of each of its stretches; nothing is rated yet."""

    subscription: RowMapping
    period: Period
    stretches: tuple[Stretch, ...]
    sold: tuple[SoldPlan, ...]
    parts: Sequence[Part]

    @property
    def is_whole(self) -> bool:
        """Whether one plan of a book, as the book has it, is all that it is rated by."""
        one = len(self.sold) == 1 and self.stretches[0].charged == "all"
        return one and not self.sold[-1].overrides

    def to_read(self, booked_before: date | None = None) -> RatedDays:
        """Return what may be read beside its usage."""
        row = self.subscription
        return RatedDays(row["tenant_id"], row["subscription_id"], self.parts, booked_before)


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
    booked_before: date | None = None,
) -> RatedPeriod | None:
    """Rate what is the subscription's of a tenant's rows; its period is open or closed.

    None while no version is in force. Fees in advance are rated like all others, for this period.
    `booked_before` is what the rows were read by; by default the end of the period.
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
        booked_before=booked_before,
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
    booked_before: date | None = None,
) -> RatedPeriod | None:
    """Rate rows by what a timeline says of a period: in parts, where something changes in it.

    `meters` find single values: without, only fees can be read off the result, and nothing is read
    beside the rows. `plans` know what was asked for before.
    """
    priced = await price_period(
        connection, account, subscription, timeline=timeline, period=period, plans=plans
    )
    if priced is None:
        return None
    if meters is not None:
        (parts,) = await read_beside(connection, account, [priced.to_read(booked_before)])
        parts = await meters.read(connection, subscription["tenant_id"], parts)
        priced = replace(priced, parts=parts)
    return rate_priced(priced, rows, prices)


async def price_period(
    connection: AsyncConnection,
    account: Account,
    subscription: RowMapping,
    *,
    timeline: Timeline,
    period: Period,
    plans: KnownPlans | None = None,
) -> PricedPeriod | None:
    """Return the terms of a period, stretch by stretch; None while one of them has no version."""
    stretches = timeline.stretches(period)
    known = plans or KnownPlans()
    sold = [
        await known.read(connection, account, stretch.terms, on=stretch.version_on)
        for stretch in stretches
    ]
    found = tuple(one for one in sold if one is not None)
    return priced_of(subscription, period, stretches, found)


def priced_of(
    subscription: RowMapping,
    period: Period,
    stretches: tuple[Stretch, ...],
    sold: tuple[SoldPlan, ...],
) -> PricedPeriod | None:
    """Return a period with the plan of each of its stretches; None while one has no plan."""
    if len(sold) < len(stretches):
        return None
    parts = [_part(stretch, one) for stretch, one in zip(stretches, sold, strict=True)]
    return PricedPeriod(subscription, period, stretches, sold, parts)


async def price_together(
    connection: AsyncConnection,
    account: Account,
    subscriptions: Sequence[RowMapping],
    periods: Mapping[str, Period],
    plans: KnownPlans,
) -> list[tuple[PricedPeriod, Timeline]]:
    """Return the terms of the periods that have any, and what is read beside their usage, at once.

    `periods` are by the ids of the subscriptions.
    """
    found = []
    for row in subscriptions:
        timeline = await read_timeline(connection, account, row)
        period = periods[row["subscription_id"]]
        priced = await price_period(
            connection, account, row, timeline=timeline, period=period, plans=plans
        )
        if priced is not None:
            found.append((priced, timeline))
    read = await read_beside(connection, account, [priced.to_read() for priced, _ in found])
    return [
        (replace(priced, parts=parts), timeline)
        for (priced, timeline), parts in zip(found, read, strict=True)
    ]


def amounts_by_terms(priced: PricedPeriod, groups: Sequence[UsageGroup]) -> RatedAmounts:
    """Return the amounts alone of usage in groups: by the same steps, for many bills in a row."""
    parts, last = priced.parts, priced.sold[-1]
    currency = CURRENCIES[last.currency]
    if not priced.is_whole:
        return part_amounts(SplitTerms(tuple(parts), currency), groups)
    seats = parts[0].seats
    terms = RatingTerms(last.price_hash, last.plan, currency, seats, priced.period)
    return rate_amounts(terms, groups, parts[0].readings)


def rate_terms(
    priced: PricedPeriod, rows: Sequence[Usage], prices: ProviderPrices | None
) -> domain.RatedStatement:
    """Return what rows come to by terms of which everything is read."""
    parts, currency = priced.parts, CURRENCIES[priced.sold[-1].currency]
    if not priced.is_whole:
        return rate_parts(SplitTerms(tuple(parts), currency), rows, prices=prices)
    last = priced.sold[-1]
    terms = RatingTerms(
        price_hash=last.price_hash,
        plan=last.plan,
        currency=currency,
        seats=parts[0].seats,
        period=priced.period,
    )
    return rate_period(terms, rows, parts[0].readings, prices=prices)


def rate_priced(
    priced: PricedPeriod, rows: Sequence[Usage], prices: ProviderPrices | None
) -> RatedPeriod:
    """Rate rows by terms of which everything is read, as a subscription's period."""
    last = priced.sold[-1]
    rated = rate_terms(priced, rows, prices)
    told = map(_part_of_statement, priced.stretches, priced.sold)
    return RatedPeriod(
        subscription=priced.subscription,
        sequence=priced.subscription["next_sequence"],
        period=priced.period,
        currency=last.currency,
        price_book=last.price_book,
        price_version=last.price_version,
        price_hash=last.price_hash,
        plan=last.plan.key,
        rated=rated,
        parts=() if priced.is_whole else tuple(told),
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
