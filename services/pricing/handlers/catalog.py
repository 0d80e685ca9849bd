"""Price books: drafts, and versions that never change once they are published."""

from datetime import date, datetime
from http import HTTPStatus
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.hashing import content_hash
from services.pricing.handlers.agreed_prices import stored_faults
from services.pricing.handlers.closing import close_periods
from services.pricing.handlers.meters import meter_faults
from services.pricing.handlers.preconditions import entity_tag, refuse_stale
from services.pricing.handlers.sharing import refuse_common_claims
from services.pricing.handlers.unclaimed import unclaimed_faults
from services.pricing.repository import catalog, subscription_changes, subscriptions
from services.pricing.repository.locks import ALL_PARTITIONS, lock_closing
from services.pricing.schemas.catalog import VersionState
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.accounts.repository import Account
from shared.clock import utc_day
from shared.errors import Fault, TallyrollError, conflict, not_found


async def write_draft(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    version: int,
    content: Any,
    if_match: str | None = None,
) -> RowMapping:
    """Write a draft of the next version, or write it again; nothing of a faulty one is stored.

    A write that changes nothing is answered, whatever it has seen (RFC 9110, 13.1.1). Raises
    `stale_version` (412) where the draft is another than the tag in `if_match` says.
    """
    read = content if isinstance(content, PriceBookContent) else read_price_book(content)
    await catalog.lock_book(connection, account, book)
    await catalog.read_book(connection, account, book)
    digest = content_hash(read.model_dump(mode="json"))
    known = await catalog.read_version(connection, account, book, version=version)
    if known is not None and known["content_hash"] == digest:
        return known
    if known is not None and known["published_at"] is not None:
        message = "A published version never changes; write the next one."
        raise conflict("version_published", message, subject=f"{book}/{version}")
    refuse_stale(if_match, tag_of(known) if known else None, subject=f"{book}/{version}")
    if known is None:
        await _refuse_gap(connection, account, book, version)
    await catalog.write_draft(
        connection, account, book, version=version, content=read, content_hash=digest
    )
    return await read_version(connection, account, book, version)


async def _refuse_gap(
    connection: AsyncConnection, account: Account, book: str, version: int
) -> None:
    latest = await catalog.latest_version(connection, account, book)
    if latest is not None and latest["published_at"] is None:
        message = f"Version {latest['version']} is still a draft: write or publish that one."
        raise conflict("version_out_of_order", message, subject=f"{book}/{version}")
    following = latest["version"] + 1 if latest else 1
    if version != following:
        message = f"The next version of this book is {following}."
        raise conflict("version_out_of_order", message, subject=f"{book}/{version}")


async def publish_version(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    version: int,
    effective_on: date,
    now: datetime,
    if_match: str | None = None,
) -> RowMapping:
    """Publish a draft for periods that start on or after its effective day; twice is once.

    Periods that waited for a price are closed in the same transaction. Raises `stale_version`
    (412), and `not_publishable` with every fault that only shows beside meters and usage.
    """
    # 1. The book, so that nobody's own prices change between their check and the write.
    await catalog.lock_book(connection, account, book)
    known = await read_version(connection, account, book, version)
    if known["published_at"] is not None:
        if known["effective_on"] == effective_on:
            return known
        message = f"This version is published, effective on {known['effective_on']}."
        raise conflict("version_published", message, subject=f"{book}/{version}")
    refuse_stale(if_match, tag_of(known), subject=f"{book}/{version}")
    content = PriceBookContent.model_validate(known["content"])
    faults = await publishing_faults(
        connection, account, book, content, effective_on=effective_on, today=utc_day(now)
    )
    # 2. The closing locks, for as short as it goes: no period is billed meanwhile.
    await lock_closing(connection, account, ALL_PARTITIONS)
    await _refuse_effective_day(connection, account, book, known=known, effective_on=effective_on)
    await _refuse_break(connection, account, book, content=content, version=version)
    _refuse_faults(faults, subject=f"{book}/{version}")
    # 3. The version, then what became due by it.
    await catalog.publish(
        connection, account, book, version=version, effective_on=effective_on, now=now
    )
    for tenant in sorted(await subscriptions.sharing_tenants(connection, account, book)):
        await refuse_common_claims(connection, account, tenant)
    for partition in ALL_PARTITIONS:
        await close_periods(connection, account, partition)
    return await read_version(connection, account, book, version)


async def _refuse_effective_day(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    known: RowMapping,
    effective_on: date,
) -> None:
    billed_until = await catalog.billed_until(connection, account, book)
    if billed_until is not None and effective_on < billed_until:
        message = f"Periods up to {billed_until} (exclusive) are billed with this book already."
        raise conflict("effective_in_billed_period", message, subject=effective_on.isoformat())
    previous = await catalog.read_version(connection, account, book, version=known["version"] - 1)
    if previous is not None and effective_on < previous["effective_on"]:
        message = f"The version before is effective on {previous['effective_on']}."
        raise conflict(
            "effective_before_earlier_version", message, subject=effective_on.isoformat()
        )


async def _refuse_break(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    content: PriceBookContent,
    version: int,
) -> None:
    """Refuse a version that leaves a subscription without its plan, or in another currency."""
    plans = {plan.key for plan in content.plans}
    used = await catalog.plans_in_use(connection, account, book)
    used |= await subscription_changes.plans_to_come(connection, account, book)
    if missing := used - plans:
        message = "Subscriptions are on plans that this version does not have."
        raise conflict("plan_in_use", message, subject=",".join(sorted(missing)))
    previous = await catalog.read_version(connection, account, book, version=version - 1)
    if previous is not None and previous["content"]["currency"] != content.currency:
        message = "A book keeps its currency; another currency is another book."
        raise conflict("currency_changed", message, subject=content.currency)


def _refuse_faults(faults: list[Fault], *, subject: str) -> None:
    if faults:
        message = f"The version has {len(faults)} faults; it was not published."
        raise TallyrollError("not_publishable", message, HTTPStatus.CONFLICT, subject, faults)


async def publishing_faults(
    connection: AsyncConnection,
    account: Account,
    book: str,
    content: PriceBookContent,
    *,
    effective_on: date,
    today: date,
) -> list[Fault]:
    """Return what is wrong only beside meters, usage and tenants' own prices, all at once."""
    return [
        *await meter_faults(connection, account, content),
        *await unclaimed_faults(connection, account, book, content, today),
        *await stored_faults(connection, account, book, content, effective_on=effective_on),
    ]


async def retire_version(
    connection: AsyncConnection, account: Account, book: str, *, version: int, now: datetime
) -> RowMapping:
    """Let nothing new start on a published version; twice is once.

    Raises `version_in_use` while a subscription has periods to come that it is in force for: those
    could never be billed. What was billed with it can still be rated again.
    """
    await catalog.lock_book(connection, account, book)
    known = await read_version(connection, account, book, version)
    if known["retired_at"] is not None:
        return known
    if known["published_at"] is None:
        message = "A draft is not for sale; it can be written again."
        raise conflict("version_not_published", message, subject=f"{book}/{version}")
    end = await catalog.next_effective_on(connection, account, book, version=version)
    start = known["effective_on"]
    user = await catalog.subscription_in_force(connection, account, book, start=start, end=end)
    if user is None:
        user = await subscription_changes.moving_to(connection, account, book, end=end)
    if end is not None and end <= start:
        user = None
    user = user or await subscription_changes.bound_to(connection, account, book, version=version)
    if user is not None:
        message = "A subscription has periods to come that this version is in force for."
        raise conflict("version_in_use", message, subject=user)
    await catalog.retire(connection, account, book, version=version, now=now)
    return await read_version(connection, account, book, version)


async def refuse_retired(
    connection: AsyncConnection, account: Account, book: str, *, on: date
) -> None:
    """Raise `version_retired` where the version in force on a day is retired."""
    row = await catalog.version_in_force(connection, account, book, on=on)
    if row is not None and row["retired_at"] is not None:
        message = (
            f"Version {row['version']}, in force on {on}, is retired: nothing new starts on it."
        )
        raise conflict("version_retired", message, subject=f"{book}/{row['version']}")


def state_of(row: RowMapping) -> VersionState:
    """Return where a version is in its life."""
    if row["published_at"] is None:
        return "draft"
    return "published" if row["retired_at"] is None else "retired"


def tag_of(row: RowMapping) -> str:
    """Return the entity tag of a version."""
    return entity_tag(state_of(row), row["content_hash"])


async def read_version(
    connection: AsyncConnection, account: Account, book: str, version: int
) -> RowMapping:
    """Return a version; raises `unknown_price_version`."""
    row = await catalog.read_version(connection, account, book, version=version)
    if row is None:
        raise not_found("price_version", f"{book}/{version}")
    return row
