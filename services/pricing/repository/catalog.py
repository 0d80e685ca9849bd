"""Price books and their versions."""

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import RowMapping, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.pricing.repository.selection import keys, owned
from services.pricing.schemas.price_book import PriceBookContent
from services.pricing.tables import price_book, price_version, statement, subscription
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


async def list_books(connection: AsyncConnection, account: Account) -> Sequence[RowMapping]:
    query = select(price_book).where(owned(price_book, account)).order_by(price_book.c.book)
    return (await connection.execute(query)).mappings().all()


async def list_versions(
    connection: AsyncConnection, account: Account, book: str | None = None
) -> Sequence[RowMapping]:
    """Return the versions of a book, or of all books, without their content."""
    columns = [column for column in price_version.c if column.name != "content"]
    query = select(*columns).where(owned(price_version, account))
    if book is not None:
        query = query.where(price_version.c.book == book)
    query = query.order_by(price_version.c.book, price_version.c.version)
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
    query = (
        select(price_version)
        .where(owned(price_version, account, book=book), price_version.c.effective_on <= on)
        .order_by(price_version.c.effective_on.desc(), price_version.c.version.desc())
        .limit(1)
    )
    row: RowMapping | None = (await connection.execute(query)).mappings().one_or_none()
    return row


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


async def billed_until(connection: AsyncConnection, account: Account, book: str) -> date | None:
    """Return the end (exclusive) of the latest period that was rated with a book."""
    query = select(func.max(statement.c.period_end)).where(
        owned(statement, account, price_book=book)
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
