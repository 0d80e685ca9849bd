"""What waits for a person, with one action each."""

from collections.abc import Iterable
from datetime import date, timedelta

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.handlers.issuing import open_period
from services.pricing.handlers.provider_prices import unpriced_usage
from services.pricing.handlers.timelines import find_version, plan_of, read_timeline
from services.pricing.handlers.unsettled_top_ups import unsettled_top_ups
from services.pricing.repository import (
    dead_letters,
    late_usage,
    meter_values,
    sealing,
    statements,
    subscriptions,
    usage,
)
from shared.accounts.repository import Account
from shared.attention import AttentionAction, AttentionItem, call, command, day_begins

STATEMENTS_MAX = 100
TENANTS_MAX = 100
QUESTIONS_MAX = 100
ANSWER_TIME = timedelta(minutes=15)
"""A value of a meter comes within seconds; a period that waits for one so long is stuck."""

DAY = timedelta(days=1)

_REPUBLISH = "Have metering publish the day again: {vendor, days}."


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
        *await unsettled_top_ups(connection, account),
        *await _dead_letters(connection, account),
    ]


async def _parked_tenants(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="parked_tenant",
            subject=row["tenant_id"],
            ids={"tenant_id": row["tenant_id"], "day": row["day"].isoformat()},
            message=f"The usage of {row['day']} is not what its seal says; nothing is rated.",
            since=row["created_at"],
            action=call("POST", "/v1/republish", _REPUBLISH),
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
            ids={"day": row["day"].isoformat()},
            message=f"The recount of this day is {row['recount']!r}; it is not rated.",
            since=day_begins(row["day"] + DAY),
            action=_recount(account, row["day"]),
        )
        for row in await sealing.list_refused_days(connection, account, accepted)
    ]


async def _missing_seals(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="missing_seal",
            subject=day.isoformat(),
            ids={"day": day.isoformat()},
            message="The seal of this day did not come, that of a later one did; nothing is rated.",
            since=day_begins(day + DAY),
            action=call("POST", "/v1/republish", _REPUBLISH),
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
                action = _publish(terms.price_book, "Publish a version effective by then.")
                items.append(_no_price("no_price_version", row, message=message, action=action))
            elif terms.plan not in {plan["key"] for plan in version["content"]["plans"]}:
                message = f"The version in force on {on} has no plan {terms.plan!r}."
                action = _publish(terms.price_book, "Publish one with the plan by then.")
                items.append(_no_price("plan_not_in_version", row, message=message, action=action))
            elif plan_of(version, terms) is None:
                message = f"The tenant's own prices do not fit the version in force on {on}."
                path = f"/v1/subscriptions/{row['subscription_id']}/changes"
                action = call("POST", path, "Change the overrides of the subscription.")
                items.append(_no_price("overrides_do_not_fit", row, message=message, action=action))
    return items


def _publish(book: str, words: str) -> AttentionAction:
    return call("POST", f"/v1/price-books/{book}/versions/{{version}}/publish", words)


def _no_price(
    code: str, row: RowMapping, *, message: str, action: AttentionAction
) -> AttentionItem:
    return AttentionItem(
        code=code,
        subject=row["subscription_id"],
        ids={"subscription_id": row["subscription_id"], "tenant_id": row["tenant_id"]},
        message=message,
        since=day_begins(row["next_start"]),
        action=action,
    )


async def _unrated_usage(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    rows = await statements.list_with_unrated_usage(connection, account, limit=STATEMENTS_MAX)
    return [
        AttentionItem(
            code="unrated_usage",
            subject=row["statement_id"],
            ids={"statement_id": row["statement_id"], "tenant_id": row["tenant_id"]},
            message=f"No charge claims some usage of {row['tenant_id']!r}: it is not billed.",
            since=row["created_at"],
            action=call(
                "GET",
                f"/v1/statements/{row['statement_id']}",
                "Read the statement's `unrated`, and add charges for it to the price book.",
            ),
        )
        for row in rows
    ]


async def _unsubscribed_usage(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    return [
        AttentionItem(
            code="usage_without_subscription",
            subject=row["tenant_id"],
            ids={"tenant_id": row["tenant_id"]},
            message=f"Usage of {row['first']} to {row['last']} lies outside of any subscription.",
            since=day_begins(row["first"]),
            action=call(
                "PUT",
                "/v1/subscriptions/{subscription_id}",
                "Give the tenant a subscription for these days, or make it `internal`.",
            ),
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
            ids={"statement_id": row["statement_id"], "tenant_id": row["tenant_id"]},
            message=f"Usage of {row['tenant_id']!r} came after its last statement: no next one.",
            since=day_begins(row["period_end"]),
            action=call(
                "PUT",
                "/v1/subscriptions/{subscription_id}",
                "Give the tenant a subscription in that currency, or settle it by hand.",
            ),
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
            ids={"tenant_id": row["tenant_id"], "kind": row["kind"]},
            message=f"{row['period_start']} to {row['period_end']} waits for {row['kind']!r}.",
            since=row["first_asked_at"],
            action=call(
                "GET",
                "/v1/attention",
                "Ask metering: its publisher does not run, or cannot read the archive.",
            ),
        )
        for row in rows
    ]


async def _dead_letters(connection: AsyncConnection, account: Account) -> list[AttentionItem]:
    listing = "tallyrollctl pricing dead-letters"
    return [
        AttentionItem(
            code="dead_letters",
            subject=row["code"],
            ids={"rejection": row["code"], "topic": row["topic"]},
            message=f"Messages of {row['topic']} could not be used: {row['code']}.",
            since=row["oldest"],
            newest=row["newest"],
            count=row["count"],
            action=command(listing, "Find out who wrote them, and have the days published again."),
        )
        for row in await dead_letters.count_of(connection, account)
    ]


def _recount(account: Account, day: date) -> AttentionAction:
    whose = f"--vendor {account.vendor_id} --mode {account.mode}"
    words = f"tallyrollctl recount {whose} --day {day}"
    return command(words, "Find out why, put it right, and count the day again.")
