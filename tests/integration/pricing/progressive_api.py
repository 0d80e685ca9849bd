"""What the tests of progressive billing share: a book with thresholds, usage as it grows, looks."""

from datetime import UTC, date, datetime
from typing import Any

import httpx

from services.pricing.handlers.meter_readings import live_lookup
from services.pricing.handlers.progressive import bill_crossed
from services.pricing.handlers.usage import store_usage
from services.pricing.progressive_billing import ProgressiveBiller
from shared.accounts.repository import Account
from shared.clock import FrozenClock
from shared.database import Database
from shared.events.statement_rated import StatementRated
from shared.events.usage_aggregated import UsageAggregated
from tests.support.pricing_service import NOW
from tests.support.pricing_usage import usage_row

from .billing_api import Headers
from .subscription_api import book, publish_book, statements_of, subscribe

NOVEMBER_10 = datetime(2023, 11, 10, 12, tzinfo=UTC)
DAY = NOVEMBER_10.date()
Told = tuple[str, int, str, dict[str, str]]


def progressive_book(
    *thresholds: str, recurring: str | None = None, **values: Any
) -> dict[str, Any]:
    """Return the book whose plan `team` has thresholds; a thousand tokens cost 3."""
    content = {**book(), **values}
    team = next(plan for plan in content["plans"] if plan["key"] == "team")
    team["progressive_thresholds"] = list(thresholds)
    if recurring is not None:
        team["progressive_recurring"] = recurring
    return content


async def sell(
    client: httpx.AsyncClient, headers: Headers, *thresholds: str, recurring: str | None = None
) -> None:
    """Put globex on the plan from 1 November with two seats: 360 of fees a month."""
    content = progressive_book(*thresholds, recurring=recurring)
    answer = await publish_book(client, headers, content=content)
    assert answer.is_success, answer.text
    answer = await subscribe(client, headers)
    assert answer.is_success, answer.text


async def grow(
    store: Database,
    vendor: str,
    version: int,
    thousands: int,
    *,
    day: date = DAY,
    booked: date | None = None,
    watermark: datetime = NOVEMBER_10,
) -> None:
    """Let globex' tokens of a day come to so many thousands, as metering publishes it."""
    row = usage_row(day, "input_uncached", thousands * 1_000)
    if booked is not None:
        row = row.model_copy(update={"booked_day": booked})
    message = UsageAggregated(
        vendor_id=vendor,
        mode="test",
        tenant_id="globex",
        version=version,
        watermark=watermark,
        rows=[row],
        user_rows=[],
    )
    async with store.transaction() as connection:
        await store_usage(connection, message)


async def look(store: Database) -> int:
    """Run one round; return how many subscriptions were invoiced."""
    return await ProgressiveBiller(store, FrozenClock(NOW), interval_seconds=1).look()


async def bill_now(store: Database, account: Account) -> StatementRated | None:
    """Do what a round does for globex' subscription, whatever was looked at before."""
    async with store.transaction() as connection:
        meters = await live_lookup(connection, account)
        return await bill_crossed(connection, account, "main", meters)


def told(statement: dict[str, Any]) -> Told:
    """Return kind, sequence, total, and amounts by the last part of each line's key."""
    lines = {line["line_key"]: line["amount_exact"] for line in statement["lines"]}
    return statement["kind"], statement["sequence"], statement["total_exact"], lines


async def all_told(client: httpx.AsyncClient, headers: Headers) -> list[Told]:
    return [told(statement) for statement in await statements_of(client, headers)]
