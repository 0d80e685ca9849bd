"""The HTTP API of pricing: price books and their versions."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Body, Path, Response
from sqlalchemy import RowMapping

from services.pricing.api import (
    PAGE_DEFAULT,
    AfterKey,
    AfterPosition,
    BillingReader,
    CatalogWriter,
    Limit,
    vendor_of,
)
from services.pricing.handlers import catalog
from services.pricing.handlers.idempotency import once
from services.pricing.handlers.preconditions import entity_tag
from services.pricing.repository import catalog as books
from services.pricing.schemas.catalog import (
    PRICE_BOOK_EXAMPLE,
    PriceBookList,
    PriceBookRead,
    PriceBookWrite,
    VersionList,
    VersionPublish,
    VersionRead,
    VersionRetire,
    VersionSummary,
)
from services.pricing.schemas.entity_tag import ENTITY_TAG, IfMatch
from services.pricing.schemas.fields import InDigits
from services.pricing.schemas.validation import read_price_book
from shared.clock import Clock
from shared.database import Database
from shared.idempotency import OptionalIdempotencyKey
from shared.ids import Slug

Book = Annotated[Slug, Path()]
VersionNumber = Annotated[int, InDigits, Path(ge=1, le=1_000_000)]

VERSIONS_SHOWN = 100
"""Versions that stand beside a book; all of them are on pages of their own."""

# What is read by hand, to tell all faults at once, is described by hand.
CONTENT_SCHEMA: dict[str, Any] = {
    "requestBody": {
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PriceBookContent"}}
        }
    }
}
VERSION = "/price-books/{book}/versions/{version}"
TAGGED: dict[int | str, dict[str, Any]] = {200: ENTITY_TAG}


def books_router(database: Database) -> APIRouter:
    """Return the routes of price books under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["price books"])

    @router.put("/price-books/{book}")
    async def put_price_book(
        book: Book,
        written: PriceBookWrite,
        caller: CatalogWriter,
        key: OptionalIdempotencyKey = None,
    ) -> PriceBookRead:
        """Create or rename a book."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> PriceBookRead:
                await books.put_book(connection, account, book, written.name)
                versions = await books.newest_versions(
                    connection, account, [book], limit=VERSIONS_SHOWN
                )
                return _book(book, written.name, versions)

            return await once(
                connection,
                account,
                key,
                request=(f"price-books/{book}", written),
                answer=PriceBookRead,
                write=write,
            )

    @router.get("/price-books")
    async def list_price_books(
        caller: BillingReader, after: AfterKey = "", limit: Limit = PAGE_DEFAULT
    ) -> PriceBookList:
        """List books in the order of their keys."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            rows = await books.list_books(connection, account, after=after, limit=limit)
            versions = await books.newest_versions(
                connection, account, [row["book"] for row in rows], limit=VERSIONS_SHOWN
            )
        listed = [
            _book(row["book"], row["name"], [v for v in versions if v["book"] == row["book"]])
            for row in rows
        ]
        following = rows[-1]["book"] if len(rows) == limit else None
        return PriceBookList(price_books=listed, next_after=following)

    @router.get("/price-books/{book}")
    async def get_price_book(book: Book, caller: BillingReader) -> PriceBookRead:
        """Return a book with its newest versions."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            row = await books.read_book(connection, account, book)
            versions = await books.newest_versions(
                connection, account, [book], limit=VERSIONS_SHOWN
            )
        return _book(book, row["name"], versions)

    return router


def versions_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of versions of price books under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["price books"])
    _add_reads(router, database)
    _add_draft(router, database)
    _add_publishing(router, database, clock)
    _add_retiring(router, database, clock)
    return router


def _add_reads(router: APIRouter, database: Database) -> None:
    @router.get("/price-books/{book}/versions")
    async def list_price_versions(
        book: Book, caller: BillingReader, after: AfterPosition = 0, limit: Limit = PAGE_DEFAULT
    ) -> VersionList:
        """List the versions of a book in rising order, without their content."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            await books.read_book(connection, account, book)
            rows = await books.list_versions(connection, account, book, after=after, limit=limit)
        return VersionList(
            versions=[VersionSummary(**_summary(row)) for row in rows],
            next_after=rows[-1]["version"] if len(rows) == limit else None,
        )

    @router.get(VERSION, responses=TAGGED)
    async def get_price_version(
        book: Book, version: VersionNumber, caller: BillingReader, response: Response
    ) -> VersionRead:
        """Return a version with its content; its ETag goes with the next write."""
        account = vendor_of(caller)
        async with database.transaction() as connection:
            row = await catalog.read_version(connection, account, book, version)
        return tagged(_version(row), response)


def _add_draft(router: APIRouter, database: Database) -> None:
    @router.put(VERSION, openapi_extra=CONTENT_SCHEMA, responses=TAGGED)
    async def put_price_version(
        book: Book,
        version: VersionNumber,
        *,
        caller: CatalogWriter,
        content: Annotated[Any, Body(examples=[PRICE_BOOK_EXAMPLE])],
        response: Response,
        if_match: IfMatch = None,
        key: OptionalIdempotencyKey = None,
    ) -> VersionRead:
        """Write the draft of the next version; a faulty one is refused with all its faults."""
        account = vendor_of(caller)
        read = read_price_book(content)
        async with database.transaction() as connection:

            async def write() -> VersionRead:
                row = await catalog.write_draft(
                    connection, account, book, version=version, content=read, if_match=if_match
                )
                return _version(row)

            written = await once(
                connection,
                account,
                key,
                request=(f"price-books/{book}/versions/{version}", read),
                answer=VersionRead,
                write=write,
            )
        return tagged(written, response)


def _add_publishing(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.post(f"{VERSION}/publish", responses=TAGGED)
    async def publish_price_version(
        book: Book,
        version: VersionNumber,
        written: VersionPublish,
        *,
        caller: CatalogWriter,
        response: Response,
        if_match: IfMatch = None,
        key: OptionalIdempotencyKey = None,
    ) -> VersionRead:
        """Publish a draft; from then on it never changes."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> VersionRead:
                row = await catalog.publish_version(
                    connection,
                    account,
                    book,
                    version=version,
                    effective_on=written.effective_on,
                    now=clock.now(),
                    if_match=if_match,
                )
                return _version(row)

            published = await once(
                connection,
                account,
                key,
                request=(f"price-books/{book}/versions/{version}/publish", written),
                answer=VersionRead,
                write=write,
            )
        return tagged(published, response)


def _add_retiring(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.post(f"{VERSION}/retire", responses=TAGGED)
    async def retire_price_version(
        book: Book,
        version: VersionNumber,
        *,
        caller: CatalogWriter,
        response: Response,
        key: OptionalIdempotencyKey = None,
    ) -> VersionRead:
        """Let nothing new start on a published version; what was billed with it stays."""
        account = vendor_of(caller)
        async with database.transaction() as connection:

            async def write() -> VersionRead:
                row = await catalog.retire_version(
                    connection, account, book, version=version, now=clock.now()
                )
                return _version(row)

            retired = await once(
                connection,
                account,
                key,
                request=(f"price-books/{book}/versions/{version}/retire", VersionRetire()),
                answer=VersionRead,
                write=write,
            )
        return tagged(retired, response)


def tagged(version: VersionRead, response: Response) -> VersionRead:
    """Return a version, with its entity tag among the answer's headers."""
    response.headers["ETag"] = entity_tag(version.state, version.content_hash)
    return version


def _book(book: str, name: str, versions: Iterable[RowMapping]) -> PriceBookRead:
    return PriceBookRead(
        book=book, name=name, versions=[VersionSummary(**_summary(row)) for row in versions]
    )


def _summary(row: RowMapping) -> dict[str, Any]:
    names = ("version", "content_hash", "effective_on", "published_at", "retired_at")
    return {**{name: row[name] for name in names}, "state": catalog.state_of(row)}


def _version(row: RowMapping) -> VersionRead:
    return VersionRead(**_summary(row), book=row["book"], content=row["content"])
