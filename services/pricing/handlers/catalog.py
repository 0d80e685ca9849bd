"""Price books: drafts, and versions that never change once they are published."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.domain.hashing import content_hash
from services.pricing.handlers.closing import close_periods
from services.pricing.repository import catalog
from services.pricing.repository.locks import ALL_PARTITIONS, lock_closing
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.schemas.validation import read_price_book
from shared.accounts.repository import Account
from shared.errors import conflict, not_found


async def write_draft(
    connection: AsyncConnection, account: Account, book: str, *, version: int, content: Any
) -> RowMapping:
    """Write a draft of the next version, or write it again; nothing of a faulty one is stored."""
    read = read_price_book(content)
    await catalog.lock_book(connection, account, book)
    await catalog.read_book(connection, account, book)
    digest = content_hash(read.model_dump(mode="json"))
    known = await catalog.read_version(connection, account, book, version=version)
    if known is not None and known["published_at"] is not None:
        if known["content_hash"] == digest:
            return known
        message = "A published version never changes; write the next one."
        raise conflict("version_published", message, subject=f"{book}/{version}")
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
) -> RowMapping:
    """Publish a draft for periods that start on or after its effective day; twice is once.

    Periods that waited for a price are closed in the same transaction.
    """
    # 1. The book, then the closing locks: no period is billed between the check and the write.
    await catalog.lock_book(connection, account, book)
    await lock_closing(connection, account, ALL_PARTITIONS)
    known = await read_version(connection, account, book, version)
    if known["published_at"] is not None:
        if known["effective_on"] == effective_on:
            return known
        message = f"This version is published, effective on {known['effective_on']}."
        raise conflict("version_published", message, subject=f"{book}/{version}")
    await _refuse_effective_day(connection, account, book, known=known, effective_on=effective_on)
    await _refuse_break(connection, account, book, known=known)
    # 2. The version, then what became due by it.
    await catalog.publish(
        connection, account, book, version=version, effective_on=effective_on, now=now
    )
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
    connection: AsyncConnection, account: Account, book: str, *, known: RowMapping
) -> None:
    """Refuse a version that leaves a subscription without its plan, or in another currency."""
    content = PriceBookContent.model_validate(known["content"])
    plans = {plan.key for plan in content.plans}
    if missing := await catalog.plans_in_use(connection, account, book) - plans:
        message = "Subscriptions are on plans that this version does not have."
        raise conflict("plan_in_use", message, subject=",".join(sorted(missing)))
    previous = await catalog.read_version(connection, account, book, version=known["version"] - 1)
    if previous is not None and previous["content"]["currency"] != content.currency:
        message = "A book keeps its currency; another currency is another book."
        raise conflict("currency_changed", message, subject=content.currency)


async def read_version(
    connection: AsyncConnection, account: Account, book: str, version: int
) -> RowMapping:
    """Return a version; raises `unknown_price_version`."""
    row = await catalog.read_version(connection, account, book, version=version)
    if row is None:
        raise not_found("price_version", f"{book}/{version}")
    return row
