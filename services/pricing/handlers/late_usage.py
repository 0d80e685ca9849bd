"""Late and corrected usage: closed periods are rated again, the difference stands on a statement.

A statement takes up what was booked before its period's end. That is a matter of days that are
sealed, not of when the closing ran: the same usage makes the same statements.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.adjustment import BilledPeriod, is_cheaper, with_adjustments
from services.pricing.domain.advance import without_fees_in_advance
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Cycle, Period
from services.pricing.domain.statement import AdjustedPeriod, RatedStatement
from services.pricing.handlers.advance import Books, rate_subscription
from services.pricing.handlers.beside_usage import level_changed
from services.pricing.handlers.billed import BilledContent, billed_content
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.rating import RatedPeriod, Rerating, price_period, rate_rows
from services.pricing.handlers.timelines import read_timeline
from services.pricing.repository import late_usage, statements, subscriptions, usage
from services.pricing.repository.adjustments import read_setting
from services.pricing.repository.late_usage import Reading
from shared.accounts.repository import Account


async def rate_with_late_usage(
    connection: AsyncConnection,
    account: Account,
    subscription: RowMapping,
    period: Period,
    *,
    prices: ProviderPrices,
    in_advance: Books,
    meters: MeterLookup,
) -> RatedPeriod | None:
    """Rate a period, and again each closed one for which usage came; None without a price yet.

    `meters` find the values of all of them as they are for this period: what came late is in.
    """
    rated = await rate_subscription(
        connection,
        account,
        subscription,
        period,
        prices=prices,
        in_advance=in_advance,
        meters=meters,
    )
    if rated is None:
        return None
    reading = Reading(
        subscription["tenant_id"], subscription["subscription_id"], rated.currency, period.end
    )
    reratings = [
        await rate_again(
            connection, account, row, booked_before=period.end, prices=prices, meters=meters
        )
        for row in await late_usage.list_to_rate_again(connection, account, reading)
        if row["inside"] or await _level_changed(connection, account, row, period.end)
    ]
    setting = await read_setting(connection, account, reading.tenant_id)
    credited: list[Rerating] = []
    stated: list[Rerating] = []
    for one in reratings:
        apart = setting.credits and is_cheaper(one.last, one.now)
        (credited if apart else stated).append(one)
    adjusted = with_adjustments(rated.rated, _pairs(stated), _pairs(credited))
    return replace(
        rated,
        rated=adjusted,
        own=rated.rated,
        reratings=tuple(stated),
        credited=tuple(credited),
    )


def _pairs(reratings: Sequence[Rerating]) -> list[tuple[BilledPeriod, RatedStatement]]:
    return [(one.last, one.now) for one in reratings]


async def _level_changed(
    connection: AsyncConnection, account: Account, billed: RowMapping, booked_before: date
) -> bool:
    """Tell whether usage that came of days before a closed period changed a level in it."""
    owner = await _owner(connection, account, billed)
    timeline = await read_timeline(connection, account, owner)
    priced = await price_period(
        connection, account, owner, timeline=timeline, period=_period_of(owner, billed)
    )
    if priced is None:
        return False
    days = priced.to_read(booked_before)
    return await level_changed(connection, account, days, seen=billed["seen"])


async def _owner(connection: AsyncConnection, account: Account, billed: RowMapping) -> RowMapping:
    owner = await subscriptions.read(connection, account, billed["subscription_id"])
    assert owner is not None, "a subscription with statements stays"
    return owner


async def rate_again(
    connection: AsyncConnection,
    account: Account,
    billed: RowMapping,
    *,
    booked_before: date,
    prices: ProviderPrices,
    meters: MeterLookup,
) -> Rerating:
    """Rate a closed period by its own terms, with all that is known of it.

    Its fees in advance are no part of that: they do not depend on usage, and are settled.
    """
    owner = await _owner(connection, account, billed)
    period = _period_of(owner, billed)
    rows = await usage.read_period(
        connection, account, billed["tenant_id"], period, booked_before=booked_before
    )
    timeline = await read_timeline(connection, account, owner)
    now = await rate_rows(
        connection,
        account,
        owner,
        timeline=timeline,
        period=period,
        rows=rows,
        prices=prices,
        meters=meters,
        booked_before=booked_before,
    )
    assert now is not None, "what a period was billed with stays in force for it"
    last, revision = await _last_rating(connection, account, billed)
    settled = without_fees_in_advance(now.rated)
    return Rerating(last, billed["sequence"], revision + 1, settled)


def _period_of(owner: RowMapping, billed: RowMapping) -> Period:
    """Return a closed period; its whole is that of its anchors, wherever it was cut short."""
    cycle, start = Cycle(owner["anchor_day"]), billed["period_start"]
    whole_days = (cycle.after(start) - cycle.at_or_before(start)).days
    return Period(start, billed["period_end"], whole_days)


async def _last_rating(
    connection: AsyncConnection, account: Account, billed: RowMapping
) -> tuple[BilledPeriod, int]:
    """Return what was billed of a period in sum, and the number of its rating."""
    period = AdjustedPeriod(
        billed["statement_id"],
        billed["subscription_id"],
        billed["period_start"],
        billed["period_end"],
    )
    known = await late_usage.read_last_rating(
        connection, account, billed["subscription_id"], billed["sequence"]
    )
    if known is not None:
        content = BilledContent.model_validate(known["content"])
        return content.to_domain(period, known["rating_hash"]), known["revision"]
    stored = await statements.read(connection, account, billed["statement_id"])
    assert stored is not None, "a statement stays"
    names = BilledContent.model_fields
    content = BilledContent.model_validate({n: stored["content"].get(n) for n in names})
    return content.to_domain(period, stored["rating_hash"]), 0


async def store_ratings(
    connection: AsyncConnection, account: Account, rated: RatedPeriod, statement_id: str
) -> None:
    """Store the new last ratings of the closed periods that a statement adjusts.

    Such a statement holds more than its own period, so that one's rating is stored beside it.
    """
    if not rated.reratings and not rated.credited:
        return
    assert rated.own is not None, "a period with adjustments was rated by itself first"
    end, currency = rated.period.end, rated.currency
    own = (rated.subscription["subscription_id"], rated.sequence, 0)
    values = _rating_values(own, statement_id, end) | _rated_values(rated.own, currency)
    await late_usage.add_rating(connection, account, values)
    for one in rated.reratings:
        await add_rating(
            connection,
            account,
            one,
            statement_id=statement_id,
            booked_before=end,
            currency=currency,
        )


async def add_rating(
    connection: AsyncConnection,
    account: Account,
    rerating: Rerating,
    *,
    statement_id: str,
    booked_before: date,
    currency: str,
) -> None:
    """Make a rating the last one of its closed period; `statement_id` has the difference."""
    period = (rerating.last.period.subscription_id, rerating.sequence, rerating.revision)
    values = _rating_values(period, statement_id, booked_before)
    await late_usage.add_rating(connection, account, values | _rated_values(rerating.now, currency))


def _rating_values(
    period: tuple[str, int, int], statement_id: str, booked_before: date
) -> dict[str, object]:
    names = ("subscription_id", "sequence", "revision")
    named = dict(zip(names, period, strict=True))
    return named | {"statement_id": statement_id, "booked_before": booked_before}


def _rated_values(statement: RatedStatement, currency: str) -> dict[str, object]:
    return {
        "input_hash": statement.input_hash,
        "rating_hash": statement.rating_hash,
        "content": billed_content(statement, currency).model_dump(mode="json"),
    }
