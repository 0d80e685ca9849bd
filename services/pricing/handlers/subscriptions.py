"""Subscriptions: which tenant pays by which plan, from which day on."""

from datetime import timedelta
from http import HTTPStatus
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.periods import period_from
from services.pricing.domain.subscription.timeline import Timeline
from services.pricing.handlers.agreed_prices import refuse_misfits
from services.pricing.handlers.catalog import refuse_retired
from services.pricing.handlers.changed_terms import (
    add_change,
    choice_of,
    chosen,
    refuse_overrides,
    refuse_plan,
)
from services.pricing.handlers.closing import close_periods
from services.pricing.handlers.sharing import refuse_common_claims
from services.pricing.handlers.timelines import read_timeline
from services.pricing.repository import catalog, subscriptions
from services.pricing.repository.locks import lock_closing, tenant_partition
from services.pricing.schemas.subscription import SubscriptionWrite
from services.pricing.schemas.subscription_terms import Phase
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
        named = {phase.price_book for phase in written.phases if phase.price_book is not None}
        for book in sorted({written.price_book} | named):
            await catalog.lock_book(connection, account, book)
        await lock_closing(connection, account, [partition])
        known = await subscriptions.read(connection, account, subscription_id)
    if known is not None:
        return _same_terms(known, subscription_id, written)
    await _refuse(connection, account, written)
    values = _row(subscription_id, written)
    shares = await subscriptions.share(
        connection,
        account,
        written.tenant_id,
        starts_on=written.starts_on,
        ends_on=written.ends_on,
        beside=subscription_id,
    )
    values |= {"topic_partition": partition, "shares": shares}
    await subscriptions.create(connection, account, values)
    await _add_phases(connection, account, subscription_id, written)
    if shares:
        await refuse_common_claims(connection, account, written.tenant_id)
    await close_periods(connection, account, partition, written.tenant_id)
    return await read_subscription(connection, account, subscription_id)


def _row(subscription_id: str, written: SubscriptionWrite) -> dict[str, Any]:
    period = period_from(written.starts_on, anchor_day=written.anchor_day, ends_on=written.ends_on)
    assert period is not None, "a subscription does not end before it starts"
    return {
        "subscription_id": subscription_id,
        **_terms(written),
        "last_day": written.ends_on,
        "next_sequence": 1,
        "next_start": period.start,
        "next_end": period.end,
        "opens_on": written.starts_on + timedelta(days=written.trial_days),
    }


def _terms(written: SubscriptionWrite) -> dict[str, Any]:
    """Return the columns of what was written; phases as the JSON that is stored."""
    phases = [phase.model_dump(mode="json") for phase in written.phases]
    return {**written.model_dump(), "phases": phases}


def _same_terms(known: RowMapping, subscription_id: str, written: SubscriptionWrite) -> RowMapping:
    if any(known[name] != value for name, value in _terms(written).items()):
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
    await refuse_retired(connection, account, written.price_book, on=written.starts_on)


async def _add_phases(
    connection: AsyncConnection, account: Account, subscription_id: str, written: SubscriptionWrite
) -> None:
    """Store each phase as the changes that it is; they can be withdrawn like any other."""
    if not written.phases:
        return
    row = await read_subscription(connection, account, subscription_id)
    first = await read_timeline(connection, account, row)
    for index, phase in enumerate(written.phases):
        await _add_phase(connection, account, subscription_id, phase, path=f"phases[{index}]")
    told = await _read_timeline(connection, account, subscription_id)
    await refuse_misfits(connection, account, row, before=first, after=told)


async def _add_phase(
    connection: AsyncConnection, account: Account, subscription_id: str, phase: Phase, *, path: str
) -> None:
    on = phase.starts_on
    told = await _read_timeline(connection, account, subscription_id)
    if phase.chooses:
        terms = chosen(told.on(on).terms, phase)
        await refuse_plan(connection, account, told, terms=terms, on=on)
        choice = choice_of(terms)
        await add_change(connection, account, subscription_id, kind="plan", content=choice, on=on)
    if phase.overrides is None:
        return
    told = await _read_timeline(connection, account, subscription_id)
    await refuse_overrides(
        connection, account, told, overrides=phase.overrides, on=on, path=f"{path}.overrides"
    )
    content = {"overrides": [one.model_dump(mode="json") for one in phase.overrides]}
    await add_change(connection, account, subscription_id, kind="overrides", content=content, on=on)


async def _read_timeline(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> Timeline:
    row = await read_subscription(connection, account, subscription_id)
    return await read_timeline(connection, account, row)


async def read_subscription(
    connection: AsyncConnection, account: Account, subscription_id: str
) -> RowMapping:
    """Return a subscription; raises `unknown_subscription`."""
    row = await subscriptions.read(connection, account, subscription_id)
    if row is None:
        raise not_found("subscription", subscription_id)
    return row
