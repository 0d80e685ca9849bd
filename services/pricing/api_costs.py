"""The HTTP API of pricing: what the vendor pays to providers."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Body, Depends

from services.pricing.api import PAGE_DEFAULT, AfterPosition, Limit
from services.pricing.handlers.idempotency import once
from services.pricing.handlers.provider_prices import append_prices, read_row
from services.pricing.repository import provider_prices
from services.pricing.schemas.provider_price import (
    ModelName,
    Named,
    ProviderPriceList,
    ProviderPricesWrite,
    ProviderPricesWritten,
)
from services.pricing.schemas.reading import body_schema, read_body
from shared.accounts.access import Caller, requires
from shared.accounts.keys import Scope
from shared.accounts.repository import Account
from shared.database import Database
from shared.idempotency import IdempotencyKey

CatalogWriter = Annotated[Caller, Depends(requires(Scope.CATALOG_WRITE))]
BillingReader = Annotated[Caller, Depends(requires(Scope.BILLING_READ))]


def _vendor(caller: Caller) -> Account:
    caller.require_vendor_key()
    return Account(caller.vendor_id, caller.mode)


def provider_prices_router(database: Database) -> APIRouter:
    """Return the routes of provider prices under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["provider prices"])

    @router.post(
        "/provider-prices", status_code=201, openapi_extra=body_schema(ProviderPricesWrite)
    )
    async def post_provider_prices(
        caller: CatalogWriter, key: IdempotencyKey, content: Annotated[Any, Body()]
    ) -> ProviderPricesWritten:
        """Append contract or manual prices, all or none; a correction is a new row."""
        account = _vendor(caller)
        written = read_body(ProviderPricesWrite, content, code="invalid_provider_prices")
        async with database.transaction() as connection:
            return await once(
                connection,
                account,
                key,
                request=("provider-prices", written),
                answer=ProviderPricesWritten,
                write=lambda: append_prices(connection, account, written),
            )

    @router.get("/provider-prices")
    async def list_provider_prices(
        caller: BillingReader,
        source: Literal["contract", "manual"] | None = None,
        *,
        provider: Named | None = None,
        model: ModelName | None = None,
        after: AfterPosition = 0,
        limit: Limit = PAGE_DEFAULT,
    ) -> ProviderPriceList:
        """List the vendor's own prices in the order of writing; list prices are not among them."""
        account = _vendor(caller)
        named = {"source": source, "provider": provider, "model": model}
        async with database.transaction() as connection:
            rows = await provider_prices.list_page(
                connection, account, named=named, after=after, limit=limit
            )
        return ProviderPriceList(
            prices=[read_row(dict(row)) for row in rows],
            next_after=rows[-1]["position"] if len(rows) == limit else None,
        )

    return router
