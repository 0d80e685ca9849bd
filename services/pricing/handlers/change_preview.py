"""What a change of a subscription would do, in words and in money. Nothing is stored."""

from collections.abc import Sequence
from datetime import date
from fractions import Fraction

from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.advance import ChargedFees
from services.pricing.domain.periods import Period
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.domain.usage import Usage
from services.pricing.domain.words import Words
from services.pricing.handlers.advance import read_charged
from services.pricing.handlers.change_words import sentences_of
from services.pricing.handlers.meter_readings import MeterLookup, live_lookup
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import RatedPeriod, rate_timeline
from services.pricing.handlers.sharing import own_usage
from services.pricing.handlers.subscription_changes import Planned, plan_change
from services.pricing.repository import usage
from services.pricing.schemas.subscription_change import (
    ChangePreview,
    ChangeWrite,
    Compared,
)
from shared.accounts.repository import Account
from shared.currencies import CURRENCIES
from shared.money import format_exact

ZERO = Fraction(0)


async def preview_change(
    connection: AsyncConnection,
    account: Account,
    subscription_id: str,
    *,
    written: ChangeWrite,
    today: date,
) -> ChangePreview:
    """Return what a change would do; raises what making it would raise."""
    planned = await plan_change(connection, account, subscription_id, written=written, today=today)
    return await preview(connection, account, planned)


async def preview(connection: AsyncConnection, account: Account, planned: Planned) -> ChangePreview:
    """Return a planned change in words, and what it does to its period and to the next."""
    on, cycle = planned.effective_on, planned.before.cycle
    start = max(planned.before.starts_on, cycle.at_or_before(on))
    compared = [
        await _compare(connection, account, planned, start=start, fees_alone=False),
        await _compare(connection, account, planned, start=cycle.after(on), fees_alone=True),
    ]
    return ChangePreview(
        effective_on=on,
        words=sentences_of(planned),
        periods=[found for found in compared if found is not None],
    )


async def _compare(
    connection: AsyncConnection,
    account: Account,
    planned: Planned,
    *,
    start: date,
    fees_alone: bool,
) -> Compared | None:
    """Rate a period without and with a change; None where neither can be rated."""
    both = [told.period_from(start) for told in (planned.before, planned.after)]
    longest = max((p for p in both if p is not None), key=lambda p: p.end, default=None)
    if longest is None:
        return None
    rows: Sequence[Usage] = ()
    if not fees_alone:
        found = await usage.read_period(connection, account, planned.row["tenant_id"], longest)
        rows = await own_usage(connection, account, planned.row, found)
    rated = [
        await _rate(
            connection,
            account,
            planned,
            told=told,
            period=period,
            rows=rows,
            meters=None if fees_alone else await live_lookup(connection, account),
        )
        for told, period in zip((planned.before, planned.after), both, strict=True)
    ]
    known = next((one for one in rated if one is not None), None)
    if known is None:
        return None
    totals = [one.rated.total if one else ZERO for one in rated]
    charged = None
    if start == planned.row["next_start"]:
        charged = await read_charged(connection, account, planned.row)
    compared = _compared(longest, known.currency, totals, fees_alone=fees_alone)
    return _with_charged(compared, charged)


async def _rate(
    connection: AsyncConnection,
    account: Account,
    planned: Planned,
    *,
    told: Timeline,
    period: Period | None,
    rows: Sequence[Usage],
    meters: MeterLookup | None,
) -> RatedPeriod | None:
    if period is None:
        return None
    counted = [row for row in rows if row.usage_day < period.end]
    return await rate_timeline(
        connection,
        account,
        planned.row,
        timeline=told,
        period=period,
        rows=counted,
        prices=await load_prices(connection, account),
        meters=meters,
    )


def _compared(
    period: Period, currency: str, totals: Sequence[Fraction], *, fees_alone: bool
) -> Compared:
    before, after = totals
    words = Words(CURRENCIES[currency], "")
    what = "its fees alone come" if fees_alone else "with the usage so far it comes"
    text = f"{period.start} to {period.last_day}: {what} to {words.money(after)}"
    if after == before:
        text += ", as without the change."
    else:
        more = "more" if after > before else "less"
        text += f" instead of {words.money(before)}, {words.money(abs(after - before))} {more}."
    return Compared(
        period_start=period.start,
        period_end=period.end,
        currency=currency,
        before_exact=format_exact(before),
        after_exact=format_exact(after),
        difference_exact=format_exact(after - before),
        charged_exact="0",
        words=text,
    )


def _with_charged(compared: Compared, charged: ChargedFees | None) -> Compared:
    """Return a comparison that says what is charged already, and where the difference stands."""
    if charged is None:
        return compared
    words = Words(CURRENCIES[compared.currency], "")
    told = (
        f" {words.money(charged.total)} were charged in advance; "
        "the difference to the fees stands on the period's statement."
    )
    update = {"charged_exact": format_exact(charged.total), "words": compared.words + told}
    return compared.model_copy(update=update)
