"""The running bill: the function that bills, over the period that is still open."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.advance import ChargedFees
from services.pricing.domain.cost.provider_cost import ProviderPrices
from services.pricing.domain.periods import Period
from services.pricing.handlers.advance import Books, read_charged
from services.pricing.handlers.issuing import open_period
from services.pricing.handlers.late_usage import rate_with_late_usage
from services.pricing.handlers.meter_readings import MeterLookup
from services.pricing.handlers.provider_prices import load_prices
from services.pricing.handlers.rating import RatedPeriod
from services.pricing.handlers.statement_message import (
    cost_of,
    line_of,
    unpriced_of,
    unrated_of,
)
from services.pricing.repository import catalog, subscriptions, usage
from services.pricing.schemas.bill import Bill, SubscriptionBill
from shared.accounts.repository import Account, read_tenant
from shared.money import format_exact, format_shown


@dataclass(frozen=True)
class _Reading:
    """What the bills of one answer share."""

    account: Account
    prices: ProviderPrices
    in_advance: Books
    meters: MeterLookup


async def read_bill(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    *,
    now: datetime,
    meters: MeterLookup,
) -> Bill:
    """Return the open period of each of a tenant's subscriptions; raises `unknown_tenant`.

    `meters` find the newest values of meters, and know afterwards which were asked for.
    """
    await read_tenant(connection, account, tenant_id)
    reading = _Reading(
        account,
        await load_prices(connection, account),
        in_advance=await catalog.books_in_advance(connection, account),
        meters=meters,
    )
    bills = []
    for row in await subscriptions.list_of_tenant(connection, account, tenant_id):
        period = open_period(row)
        if period is not None:
            bills.append(await _bill_subscription(connection, reading, row, period))
    return Bill(
        tenant_id=tenant_id,
        mode=account.mode,
        as_of=now,
        watermark=await usage.read_watermark(connection, account, tenant_id),
        subscriptions=bills,
    )


async def _bill_subscription(
    connection: AsyncConnection, reading: _Reading, row: RowMapping, period: Period
) -> SubscriptionBill:
    bill = SubscriptionBill(
        subscription_id=row["subscription_id"],
        price_book=row["price_book"],
        plan=row["plan"],
        sequence=row["next_sequence"],
        period_start=period.start,
        period_end=period.end,
        state="no_price_version",
        price_version=None,
        price_hash=None,
        currency=None,
        total_exact="0",
        total_shown="0",
        input_hash=None,
        rating_hash=None,
        lines=[],
        unrated=[],
    )
    rated = await rate_with_late_usage(
        connection,
        reading.account,
        row,
        period,
        prices=reading.prices,
        in_advance=reading.in_advance,
        meters=reading.meters,
    )
    if rated is None:
        return bill
    charged = await read_charged(connection, reading.account, row)
    return bill.model_copy(update=_found(rated) | _charged(charged, row, rated))


def _charged(charged: ChargedFees | None, row: RowMapping, rated: RatedPeriod) -> dict[str, Any]:
    """Return what is charged of the period already, and whether it is yet to be opened."""
    to_open = any(line.advance for line in rated.rated.lines)
    return {
        "charged": [line_of(line, rated.currency) for line in charged.lines] if charged else [],
        "charged_exact": format_exact(charged.total) if charged else "0",
        "opens_on": row["opens_on"] if to_open else None,
    }


def _found(rated: RatedPeriod) -> dict[str, Any]:
    """Return what the rated period says."""
    statement = rated.rated
    return {
        "state": "open",
        "price_book": rated.price_book,
        "plan": rated.plan,
        "price_version": rated.price_version,
        "price_hash": rated.price_hash,
        "currency": rated.currency,
        "total_exact": format_exact(statement.total),
        "total_shown": format_shown(statement.total),
        "input_hash": statement.input_hash,
        "rating_hash": statement.rating_hash,
        "lines": [line_of(line, rated.currency) for line in statement.lines],
        "unrated": [unrated_of(usage_) for usage_ in statement.unrated],
        "cost": cost_of(statement.cost, statement.revenue, rated.currency),
        "unpriced": unpriced_of(statement.cost),
    }
