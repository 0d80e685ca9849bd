"""The HTTP API of pricing: migrations of the subscriptions of a book."""

from fastapi import APIRouter

from services.pricing.api import CatalogWriter, vendor_of
from services.pricing.api_catalog import Book
from services.pricing.handlers import plan_migration
from services.pricing.handlers.idempotency import once
from services.pricing.schemas.migration import MigrationMade, MigrationPreview, MigrationWrite
from shared.clock import Clock, utc_day
from shared.database import Database
from shared.idempotency import IdempotencyKey


def migrations_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes under `/v1/price-books/{book}/migrations`."""
    router = APIRouter(prefix="/v1/price-books/{book}/migrations", tags=["subscriptions"])

    @router.post("", status_code=201)
    async def post_migration(
        book: Book, written: MigrationWrite, caller: CatalogWriter, key: IdempotencyKey
    ) -> MigrationMade:
        """Move subscriptions of a book to another plan or version, in cohorts."""
        account = vendor_of(caller)
        today = utc_day(clock.now())
        async with database.transaction() as connection:

            async def write() -> MigrationMade:
                return await plan_migration.migrate(
                    connection, account, book, written=written, today=today
                )

            return await once(
                connection,
                account,
                key,
                request=(f"price-books/{book}/migrations", written),
                answer=MigrationMade,
                write=write,
            )

    @router.post("/preview")
    async def preview_migration(
        book: Book, written: MigrationWrite, caller: CatalogWriter
    ) -> MigrationPreview:
        """Say in words and money what a migration would do; nothing is stored."""
        account = vendor_of(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            return await plan_migration.preview_migration(
                connection, account, book, written=written, today=utc_day(clock.now())
            )

    return router
