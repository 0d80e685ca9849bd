"""The HTTP API of pricing: price books, subscriptions, bills and statements."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, Path, Query
from sqlalchemy import RowMapping

from services.pricing.handlers import attention, bill, catalog, closing, subscriptions
from services.pricing.repository import catalog as books
from services.pricing.repository import statements
from services.pricing.repository import subscriptions as stored_subscriptions
from services.pricing.schemas.bill import (
    Attention,
    Bill,
    StatementList,
    StatementRead,
    StatementSummary,
)
from services.pricing.schemas.catalog import (
    PRICE_BOOK_EXAMPLE,
    PriceBookRead,
    PriceBookWrite,
    VersionPublish,
    VersionRead,
    VersionSummary,
)
from services.pricing.schemas.subscription import (
    OpenPeriod,
    SubscriptionRead,
    SubscriptionWrite,
)
from services.pricing.settings import PricingSettings
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.database import Database
from shared.errors import not_found
from shared.ids import Slug

CatalogWriter = Annotated[Caller, Depends(requires(Scope.CATALOG_WRITE))]
BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]
Book = Annotated[Slug, Path()]
SubscriptionId = Annotated[Slug, Path()]
VersionNumber = Annotated[int, Path(ge=1, le=1_000_000)]
StatementId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
TenantFilter = Annotated[Slug | None, Query(description="one tenant; a tenant's key sees its own")]

POSITION_MAX = 2**62
PAGE_DEFAULT = 100
PAGE_MAX = 500

# What is read by hand, to tell all faults at once, is described by hand.
_CONTENT_SCHEMA = {
    "requestBody": {
        "content": {
            "application/json": {"schema": {"$ref": "#/components/schemas/PriceBookContent"}}
        }
    }
}


def _vendor(caller: Caller) -> Account:
    caller.require_vendor_key()
    return Account(caller.vendor_id, caller.mode)


def _own_tenant(caller: Caller, named: str | None) -> str | None:
    """Return the tenant to show: the caller's own one, the named one, or all of the vendor's."""
    return caller.tenant(named) if caller.tenant_id is not None else named


def books_router(database: Database) -> APIRouter:
    """Return the routes of price books under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["price books"])

    @router.put("/price-books/{book}")
    async def put_price_book(
        book: Book, written: PriceBookWrite, caller: CatalogWriter
    ) -> PriceBookRead:
        """Create or rename a book."""
        account = _vendor(caller)
        async with database.transaction() as connection:
            await books.put_book(connection, account, book, written.name)
            versions = await books.list_versions(connection, account, book)
        return _book(book, written.name, versions)

    @router.get("/price-books")
    async def list_price_books(caller: BillingReader) -> list[PriceBookRead]:
        account = _vendor(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            rows = await books.list_books(connection, account)
            versions = await books.list_versions(connection, account)
        return [
            _book(row["book"], row["name"], [v for v in versions if v["book"] == row["book"]])
            for row in rows
        ]

    @router.get("/price-books/{book}")
    async def get_price_book(book: Book, caller: BillingReader) -> PriceBookRead:
        account = _vendor(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            row = await books.read_book(connection, account, book)
            versions = await books.list_versions(connection, account, book)
        return _book(book, row["name"], versions)

    return router


def versions_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of versions of price books under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["price books"])

    @router.put("/price-books/{book}/versions/{version}", openapi_extra=_CONTENT_SCHEMA)
    async def put_price_version(
        book: Book,
        version: VersionNumber,
        caller: CatalogWriter,
        content: Annotated[Any, Body(examples=[PRICE_BOOK_EXAMPLE])],
    ) -> VersionRead:
        """Write the draft of the next version; a faulty one is refused with all its faults."""
        account = _vendor(caller)
        async with database.transaction() as connection:
            row = await catalog.write_draft(
                connection, account, book, version=version, content=content
            )
        return _version(row)

    @router.post("/price-books/{book}/versions/{version}/publish")
    async def publish_price_version(
        book: Book, version: VersionNumber, written: VersionPublish, caller: CatalogWriter
    ) -> VersionRead:
        """Publish a draft; from then on it never changes."""
        account = _vendor(caller)
        async with database.transaction() as connection:
            row = await catalog.publish_version(
                connection,
                account,
                book,
                version=version,
                effective_on=written.effective_on,
                now=clock.now(),
            )
        return _version(row)

    @router.get("/price-books/{book}/versions/{version}")
    async def get_price_version(
        book: Book, version: VersionNumber, caller: BillingReader
    ) -> VersionRead:
        account = _vendor(caller)
        async with database.transaction() as connection:
            row = await catalog.read_version(connection, account, book, version)
        return _version(row)

    return router


def subscriptions_router(database: Database) -> APIRouter:
    """Return the routes of subscriptions under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["subscriptions"])

    @router.put("/subscriptions/{subscription_id}")
    async def put_subscription(
        subscription_id: SubscriptionId, written: SubscriptionWrite, caller: CatalogWriter
    ) -> SubscriptionRead:
        """Put a tenant on a plan; the same again changes nothing, other terms are a 409."""
        account = _vendor(caller)
        async with database.transaction() as connection:
            row = await subscriptions.put_subscription(
                connection, account, subscription_id, written
            )
        return _subscription(row)

    @router.get("/subscriptions")
    async def list_subscriptions(
        caller: BillingReader, tenant: TenantFilter = None
    ) -> list[SubscriptionRead]:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            rows = await stored_subscriptions.list_of_tenant(
                connection, account, _own_tenant(caller, tenant)
            )
        return [_subscription(row) for row in rows]

    @router.get("/subscriptions/{subscription_id}")
    async def get_subscription(
        subscription_id: SubscriptionId, caller: BillingReader
    ) -> SubscriptionRead:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            row = await subscriptions.read_subscription(connection, account, subscription_id)
        if caller.tenant_id not in {None, row["tenant_id"]}:
            raise not_found("subscription", subscription_id)
        return _subscription(row)

    return router


def billing_router(database: Database, clock: Clock, settings: PricingSettings) -> APIRouter:
    """Return the routes of bills, statements and attention under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["billing"])

    @router.get("/tenants/{tenant_id}/bill")
    async def get_bill(tenant_id: Annotated[Slug, Path()], caller: BillingReader) -> Bill:
        """Return the running bill of the open period, with the watermark that it is true for."""
        account = Account(caller.vendor_id, caller.mode)
        tenant = caller.tenant(tenant_id)
        async with database.transaction("REPEATABLE READ") as connection:
            return await bill.read_bill(connection, account, tenant, now=clock.now())

    @router.get("/statements")
    async def list_statements(
        caller: BillingReader,
        tenant: TenantFilter = None,
        after: Annotated[int, Query(ge=0, le=POSITION_MAX)] = 0,
        limit: Annotated[int, Query(ge=1, le=PAGE_MAX)] = PAGE_DEFAULT,
    ) -> StatementList:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            rows = await statements.list_of_tenant(
                connection, account, _own_tenant(caller, tenant), after=after, limit=limit
            )
        return StatementList(
            statements=[StatementSummary.model_validate(dict(row)) for row in rows],
            next_after=rows[-1]["position"] if len(rows) == limit else None,
        )

    @router.get("/statements/{statement_id}")
    async def get_statement(statement_id: StatementId, caller: BillingReader) -> StatementRead:
        account = Account(caller.vendor_id, caller.mode)
        async with database.transaction() as connection:
            row = await statements.read(connection, account, statement_id)
        if row is None or caller.tenant_id not in {None, row["tenant_id"]}:
            raise not_found("statement", statement_id)
        return StatementRead.model_validate(row["content"])

    @router.get("/attention")
    async def get_attention(caller: BillingReader) -> Attention:
        """Return what waits for a person, with one action each."""
        account = _vendor(caller)
        async with database.transaction("REPEATABLE READ") as connection:
            items = await attention.list_attention(
                connection, account, accepted=settings.accepted_recounts
            )
        return Attention(items=items)

    return router


def _book(book: str, name: str, versions: Any) -> PriceBookRead:
    return PriceBookRead(
        book=book, name=name, versions=[VersionSummary(**_summary(row)) for row in versions]
    )


def _summary(row: RowMapping) -> dict[str, Any]:
    published = row["published_at"] is not None
    names = ("version", "content_hash", "effective_on", "published_at")
    return {**{name: row[name] for name in names}, "state": "published" if published else "draft"}


def _version(row: RowMapping) -> VersionRead:
    return VersionRead(**_summary(row), book=row["book"], content=row["content"])


def _subscription(row: RowMapping) -> SubscriptionRead:
    period = closing.open_period(row)
    read = {name: row[name] for name in SubscriptionWrite.model_fields}
    return SubscriptionRead(
        **read,
        subscription_id=row["subscription_id"],
        open_period=OpenPeriod(sequence=row["next_sequence"], start=period.start, end=period.end)
        if period
        else None,
    )
