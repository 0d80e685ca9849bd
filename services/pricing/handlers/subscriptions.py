"""Subscriptions: which tenant pays by which plan, from which day on."""

from http import HTTPStatus
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import period_from
from services.pricing.handlers.closing import close_periods
from services.pricing.repository import catalog, subscriptions
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.schemas.subscription import SubscriptionWrite
from shared.accounts.repository import Account, read_tenant
from shared.errors import TallyrollError, conflict, not_found


async def put_subscription(
    connection: AsyncConnection, account: Account, subscription_id: str, written: SubscriptionWrite
) -> RowMapping:
    """Create a subscription; the same again changes nothing, other terms are a conflict.

    Periods whose days are sealed already are closed in the same transaction.
    """
    known = await subscriptions.read(connection, account, subscription_id)
    if known is None:
        await read_tenant(connection, account, written.tenant_id)
        partition = tenant_partition(account, written.tenant_id)
        # A book's versions do not change while a plan of it is looked up and used.
        await catalog.lock_book(connection, account, written.price_book)
        await lock_closing(connection, account, [partition])
        known = await subscriptions.read(connection, account, subscription_id)
    if known is not None:
        return _same_terms(known, subscription_id, written)
    await _refuse(connection, account, written)
    values = _row(subscription_id, written)
    await subscriptions.create(connection, account, {**values, "topic_partition": partition})
    await close_periods(connection, account, partition, written.tenant_id)
    return await read_subscription(connection, account, subscription_id)


def _row(subscription_id: str, written: SubscriptionWrite) -> dict[str, Any]:
    period = period_from(written.starts_on, anchor_day=written.anchor_day, ends_on=written.ends_on)
    assert period is not None, "a subscription does not end before it starts"
    return {
        "subscription_id": subscription_id,
        **written.model_dump(),
        "next_sequence": 1,
        "next_start": period.start,
        "next_end": period.end,
    }


def _same_terms(known: RowMapping, subscription_id: str, written: SubscriptionWrite) -> RowMapping:
    if any(known[name] != value for name, value in written.model_dump().items()):
        message = "There is a subscription of this id with other terms."
        raise conflict("subscription_exists", message, subject=subscription_id)
    return known


async def _refuse(
    connection: AsyncConnection, account: Account, written: SubscriptionWrite
) -> None:
    await catalog.read_book(connection, account, written.price_book)
    latest = await catalog.latest_version(connection, account, written.price_book)
    plans = {plan["key"] for plan in latest["content"]["plans"]} if latest else set()
    if written.plan not in plans:
        message = f"The book {written.price_book!r} has no plan {written.plan!r}."
        raise TallyrollError("unknown_plan", message, HTTPStatus.NOT_FOUND, written.plan)
    other = await subscriptions.overlapping(
        connection,
        account,
        written.tenant_id,
        starts_on=written.starts_on,
        ends_on=written.ends_on,
    )
    if other is not None:
        message = "A tenant has one subscription at a time: usage would be billed twice."
        raise conflict("subscription_overlaps", message, subject=other)


async def read_subscription(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> RowMapping:
    """Return a subscription; raises `unknown_subscription`."""
    row = await subscriptions.read(connection, account, subscription_id)
    if row is None:
        raise not_found("subscription", subscription_id)
    return row
