"""Price books and their versions."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import Column, RowMapping, and_, func, or_, select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys, owned
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.tables import (
    IN_ADVANCE,
    price_book,
    price_version,
    statement,
    subscription,
)
from shared.accounts.repository import Account
from shared.database import lock_transaction
from shared.errors import not_found


async def lock_book(connection: AsyncConnection, account: Account, book: str) -> None:
    """Let one transaction at a time write a book."""
    await lock_transaction(connection, "pricing.book", account.vendor_id, account.mode, book)


async def put_book(connection: AsyncConnection, account: Account, book: str, name: str) -> None:
    """Create or rename a book."""
    statement_ = insert(price_book).values(**keys(account), book=book, name=name)
    await connection.execute(
        statement_.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "book"], set_={"name": name}
        )
    )


async def read_book(connection: AsyncConnection, account: Account, book: str) -> RowMapping:
    """Return a book's row; raises `unknown_price_book`."""
    query = select(price_book).where(owned(price_book, account, book=book))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("price_book", book)
    return row


async def list_books(
    connection: AsyncConnection, account: Account, *, after: str, limit: int
) -> Sequence[RowMapping]:
    """Return books behind a key, in the order of their keys."""
    query = (
        select(price_book)
        .where(owned(price_book, account), price_book.c.book > after)
        .order_by(price_book.c.book)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


def _summaries() -> list[Column[Any]]:
    return [column for column in price_version.c if column.name != "content"]


async def newest_versions(
    connection: AsyncConnection, account: Account, books: Sequence[str], *, limit: int
) -> Sequence[RowMapping]:
    """Return the newest versions of each of some books, without content, in rising order."""
    place = func.row_number().over(
        partition_by=price_version.c.book, order_by=price_version.c.version.desc()
    )
    numbered = (
        select(*_summaries(), place.label("place"))
        .where(owned(price_version, account), price_version.c.book.in_(books))
        .subquery()
    )
    query = select(numbered).where(numbered.c.place <= limit)
    query = query.order_by(numbered.c.book, numbered.c.version)
    return (await connection.execute(query)).mappings().all()


async def list_versions(
    connection: AsyncConnection, account: Account, book: str, *, after: int, limit: int
) -> Sequence[RowMapping]:
    """Return the versions of a book behind a number, without their content."""
    query = (
        select(*_summaries())
        .where(owned(price_version, account, book=book), price_version.c.version > after)
        .order_by(price_version.c.version)
        .limit(limit)
    )
    return (await connection.execute(query)).mappings().all()


async def read_version(
    connection: AsyncConnection, account: Account, book: str, *, version: int
) -> RowMapping | None:
    query = select(price_version).where(owned(price_version, account, book=book, version=version))
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def write_draft(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    version: int,
    content: PriceBookContent,
    content_hash: str,
) -> None:
    """Create or replace a draft; the database refuses it for a published version."""
    values = {"content": content.model_dump(mode="json"), "content_hash": content_hash}
    written = insert(price_version).values(**keys(account), book=book, version=version, **values)
    await connection.execute(
        written.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "book", "version"], set_=values
        )
    )


async def publish(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    version: int,
    effective_on: date,
    now: datetime,
) -> None:
    await connection.execute(
        update(price_version)
        .where(owned(price_version, account, book=book, version=version))
        .values(effective_on=effective_on, published_at=now)
    )


async def version_in_force(
    connection: AsyncConnection, account: Account, book: str, *, on: date
) -> RowMapping | None:
    """Return the published version with the latest effective day up to `on`, inclusive."""
    return await _in_force(connection, account, book, on=on, columns=list(price_version.c))


async def hash_in_force(
    connection: AsyncConnection, account: Account, book: str, *, on: date
) -> RowMapping | None:
    """Return book, version and content_hash of the version in force, without its content."""
    columns = [price_version.c[name] for name in ("book", "version", "content_hash")]
    return await _in_force(connection, account, book, on=on, columns=columns)


async def _in_force(
    connection: AsyncConnection,
    account: Account,
    book: str,
    *,
    on: date,
    columns: list[Column[Any]],
) -> RowMapping | None:
    query = (
        select(*columns)
        .where(owned(price_version, account, book=book), price_version.c.effective_on <= on)
        .order_by(price_version.c.effective_on.desc(), price_version.c.version.desc())
        .limit(1)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def versions_after(
    connection: AsyncConnection, account: Account, book: str, *, on: date
) -> Sequence[RowMapping]:
    """Return the published versions that take effect after a day."""
    query = (
        select(price_version)
        .where(owned(price_version, account, book=book), price_version.c.effective_on > on)
        .order_by(price_version.c.version)
    )
    return (await connection.execute(query)).mappings().all()


async def latest_version(
    connection: AsyncConnection, account: Account, book: str
) -> RowMapping | None:
    """Return the version with the highest number, draft or published."""
    query = (
        select(price_version)
        .where(owned(price_version, account, book=book))
        .order_by(price_version.c.version.desc())
        .limit(1)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def latest_published(
    connection: AsyncConnection, account: Account, book: str
) -> RowMapping | None:
    """Return the published version with the highest number."""
    query = (
        select(price_version)
        .where(owned(price_version, account, book=book), price_version.c.published_at.is_not(None))
        .order_by(price_version.c.version.desc())
        .limit(1)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


async def published_keys(
    connection: AsyncConnection, account: Account, book: str
) -> set[tuple[str, str]]:
    """Return (target, key) of every charge, pool and plan that a published version has or had."""
    rows = await connection.execute(_PUBLISHED_KEYS, {**keys(account), "book": book})
    return {(target, key) for target, key in rows.all()}


_PUBLISHED_KEYS = text(
    """
    select distinct named.target, item ->> 'key'
    from pricing.price_version,
      (values ('charge'), ('pool'), ('plan')) as named (target),
      jsonb_array_elements(coalesce(content -> (named.target || 's'), '[]')) as item
    where vendor_id = :vendor_id and mode = :mode and book = :book and published_at is not null
    """
)


async def books_in_advance(connection: AsyncConnection, account: Account) -> frozenset[str]:
    """Return the books of which a version, in force or not, has fees in advance."""
    query = select(price_version.c.book).where(owned(price_version, account), text(IN_ADVANCE))
    return frozenset((await connection.scalars(query.distinct())).all())


async def billed_until(connection: AsyncConnection, account: Account, book: str) -> date | None:
    """Return the end (exclusive) of the latest period that was rated with a book, or in part."""
    changed = select(subscription.c.subscription_id).where(
        owned(subscription, account), subscription.c.changes > 0
    )
    for_a_part = and_(
        statement.c.subscription_id.in_(changed),
        statement.c.content["parts"].contains([{"price_book": book}]),
    )
    query = select(func.max(statement.c.period_end)).where(
        owned(statement, account, kind="period"), or_(statement.c.price_book == book, for_a_part)
    )
    billed: date | None = await connection.scalar(query)
    return billed


async def plans_in_use(connection: AsyncConnection, account: Account, book: str) -> set[str]:
    """Return the plans of a book that subscriptions with periods to come are on."""
    query = (
        select(subscription.c.plan)
        .where(
            owned(subscription, account, price_book=book), subscription.c.next_start.is_not(None)
        )
        .distinct()
    )
    return set((await connection.scalars(query)).all())


async def retire(
    connection: AsyncConnection, account: Account, book: str, *, version: int, now: datetime
) -> None:
    await connection.execute(
        update(price_version)
        .where(owned(price_version, account, book=book, version=version))
        .values(retired_at=now)
    )


async def next_effective_on(
    connection: AsyncConnection, account: Account, book: str, *, version: int
) -> date | None:
    """Return the day from which a later published version is in force instead of this one."""
    query = select(func.min(price_version.c.effective_on)).where(
        owned(price_version, account, book=book), price_version.c.version > version
    )
    day: date | None = await connection.scalar(query)
    return day


async def subscription_in_force(
    connection: AsyncConnection, account: Account, book: str, *, start: date, end: date | None
) -> str | None:
    """Return a subscription whose periods to come may begin in `[start, end)`; end None: open."""
    query = select(subscription.c.subscription_id).where(
        owned(subscription, account, price_book=book),
        subscription.c.next_start.is_not(None),
        or_(subscription.c.last_day.is_(None), subscription.c.last_day >= start),
    )
    if end is not None:
        query = query.where(subscription.c.next_start < end)
    found: str | None = await connection.scalar(query.limit(1))
    return found
