"""What waits for a person, with one action each."""

from collections.abc import Iterable
from datetime import timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.issuing import open_period
from services.pricing.handlers.provider_prices import unpriced_usage
from services.pricing.handlers.timelines import find_version, plan_of, read_timeline
from services.pricing.repository import (
    late_usage,
    meter_values,
    sealing,
    statements,
    subscriptions,
    usage,
)
from services.pricing.schemas.bill import AttentionItem
from shared.accounts.repository import Account

STATEMENTS_MAX = 100
TENANTS_MAX = 100
QUESTIONS_MAX = 100
ANSWER_TIME = timedelta(minutes=15)
"""A value of a meter comes within seconds; a period that waits for one so long is stuck."""


async def list_attention(
    connection: AsyncConnection, account: Account, *, accepted: Iterable[str]
) -> list[AttentionItem]:
    """Return all that an account's owner must look at; empty when nothing waits."""
    return [
        *await _parked_tenants(connection, account),
        *await _refused_days(connection, account, accepted),
        *await _missing_seals(connection, account),
        *await _periods_without_price(connection, account),
        *await _unrated_usage(connection, account),
        *await _unsubscribed_usage(connection, account),
        *await _unbilled_late_usage(connection, account),
        *await _unanswered_meters(connection, account),
        *await unpriced_usage(connection, account),
    ]


async def _parked_tenants(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="parked_tenant",
            subject=row["tenant_id"],
            message=f"The usage of {row['day']} is not what its seal says; nothing is rated.",
            action="Have metering publish the day again.",
        )
        for row in await sealing.list_parked(connection, account)
    ]


async def _refused_days(
    connection: AsyncConnection, account: Account, accepted: Iterable[str]
) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="recount_not_accepted",
            subject=row["day"].isoformat(),
            message=f"The recount of this day is {row['recount']!r}; it is not rated.",
            action="Find out why, put it right, and run `tallyrollctl recount` for the day.",
        )
        for row in await sealing.list_refused_days(connection, account, accepted)
    ]


async def _missing_seals(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="missing_seal",
            subject=day.isoformat(),
            message="The seal of this day did not come, that of a later one did; nothing is rated.",
            action="Have metering publish the day again.",
        )
        for day in await sealing.list_missing_seals(connection, account)
    ]


async def _periods_without_price(
    connection: AsyncConnection, account: Account
) -> list[AttentionItem]:
    items = []
    for row in await subscriptions.list_of_tenant(connection, account, None):
        period = open_period(row)
        if period is None:
            continue
        told = await read_timeline(connection, account, row)
        for stretch in told.stretches(period):
            terms, on = stretch.terms, stretch.version_on
            version = await find_version(connection, account, terms, on=on)
            if version is None:
                message = f"No version of {terms.price_book!r} is in force on {on}."
                action = "Publish a version that is effective by then."
                items.append(_no_price("no_price_version", row, message=message, action=action))
            elif terms.plan not in {plan["key"] for plan in version["content"]["plans"]}:
                message = f"The version in force on {on} has no plan {terms.plan!r}."
                action = "Publish a version with the plan that is effective by then."
                items.append(_no_price("plan_not_in_version", row, message=message, action=action))
            elif plan_of(version, terms) is None:
                message = f"The tenant's own prices do not fit the version in force on {on}."
                action = "Change the overrides of the subscription."
                items.append(_no_price("overrides_do_not_fit", row, message=message, action=action))
    return items


def _no_price(code: str, row: RowMapping, *, message: str, action: str) -> AttentionItem:
    return AttentionItem(code=code, subject=row["subscription_id"], message=message, action=action)


async def _unrated_usage(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    rows = await statements.list_with_unrated_usage(connection, account, limit=STATEMENTS_MAX)
    return [
        AttentionItem(
            code="unrated_usage",
            subject=row["statement_id"],
            message=f"No charge claims some usage of {row['tenant_id']!r}: it is not billed.",
            action="Read the statement, and add charges for it to the price book.",
        )
        for row in rows
    ]


async def _unsubscribed_usage(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="usage_without_subscription",
            subject=row["tenant_id"],
            message=f"Usage of {row['first']} to {row['last']} lies outside of any subscription.",
            action="Give the tenant a subscription for these days, or bill it as internal.",
        )
        for row in await usage.list_unsubscribed(connection, account, limit=TENANTS_MAX)
    ]


async def _unbilled_late_usage(
    connection: AsyncConnection, account: Account
) -> list[AttentionItem]:
    rows = await late_usage.list_without_statement(connection, account, limit=STATEMENTS_MAX)
    return [
        AttentionItem(
            code="late_usage_after_end",
            subject=row["statement_id"],
            message=f"Usage of {row['tenant_id']!r} came after its last statement: no next one.",
            action="Give the tenant a subscription in that currency, or settle it by hand.",
        )
        for row in rows
    ]


async def _unanswered_meters(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    rows = await meter_values.list_unanswered(
        connection, account, longer_than=ANSWER_TIME, limit=QUESTIONS_MAX
    )
    return [
        AttentionItem(
            code="meter_value_missing",
            subject=row["tenant_id"],
            message=f"{row['period_start']} to {row['period_end']} waits for {row['kind']!r}.",
            action="See whether metering's publisher runs and can read the archive.",
        )
        for row in rows
    ]
