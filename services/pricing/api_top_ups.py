"""The HTTP API of pricing: orders of credit."""

from typing import Annotated, Any

from fastapi import APIRouter, Body, Path

from services.pricing.api import PAGE_DEFAULT, AfterPosition, Limit
from services.pricing.api_wallets import (
    BillingReader,
    BillingWriter,
    CurrencyCode,
    TenantId,
    held_by,
)
from services.pricing.handlers import top_ups
from services.pricing.handlers.idempotency import once
from services.pricing.schemas.reading import body_schema, read_body
from services.pricing.schemas.top_up import (
    DismissWrite,
    TopUpOrderList,
    TopUpOrderRead,
    TopUpOrderWrite,
)
from shared.clock import Clock, utc_day
from shared.database import Database
from shared.idempotency import IdempotencyKey
from shared.ids import new_id

OrderId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]


def top_ups_router(database: Database, clock: Clock) -> APIRouter:
    """Return the routes of orders of a wallet."""
    prefix = "/v1/tenants/{tenant_id}/wallets/{currency}/top-up-orders"
    router = APIRouter(prefix=prefix, tags=["credits"])
    _add_reads(router, database)
    _add_order(router, database, clock)
    _add_dismissal(router, database, clock)
    return router


def _add_reads(router: APIRouter, database: Database) -> None:
    @router.get("")
    async def list_top_up_orders(
        tenant_id: TenantId,
        currency: CurrencyCode,
        *,
        caller: BillingReader,
        after: AfterPosition = 0,
        limit: Limit = PAGE_DEFAULT,
    ) -> TopUpOrderList:
        """List the orders of a wallet, each with how it stands."""
        async with database.transaction("REPEATABLE READ") as connection:
            held = await held_by(connection, caller, caller.tenant(tenant_id), currency)
            orders = await top_ups.read_orders(connection, held, after=after, limit=limit)
        more = len(orders) == limit
        return TopUpOrderList(orders=orders, next_after=orders[-1].number if more else None)

    @router.get("/{order_id}")
    async def get_top_up_order(
        tenant_id: TenantId, currency: CurrencyCode, order_id: OrderId, caller: BillingReader
    ) -> TopUpOrderRead:
        """Return an order and how it stands."""
        async with database.transaction("REPEATABLE READ") as connection:
            held = await held_by(connection, caller, caller.tenant(tenant_id), currency)
            return await top_ups.read_order(connection, held, order_id)


def _add_order(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.post("", status_code=201, openapi_extra=body_schema(TopUpOrderWrite))
    async def post_top_up_order(
        tenant_id: TenantId,
        currency: CurrencyCode,
        *,
        caller: BillingWriter,
        key: IdempotencyKey,
        content: Annotated[Any, Body()],
    ) -> TopUpOrderRead:
        """Order credit: its invoice goes out now, the credit is granted once that is paid."""
        caller.require_vendor_key()
        written = read_body(TopUpOrderWrite, content, code="invalid_top_up_order")
        async with database.transaction() as connection:
            held = await held_by(connection, caller, tenant_id, currency)

            async def write() -> TopUpOrderRead:
                order, on = written.to_domain(new_id()), utc_day(clock.now())
                await top_ups.place(connection, held, order, on=on, origin="ordered")
                return await top_ups.read_order(connection, held, order.order_id)

            return await once(
                connection,
                held.account,
                key,
                request=(f"wallets/{tenant_id}/{currency}/top-up-orders", written),
                answer=TopUpOrderRead,
                write=write,
            )


def _add_dismissal(router: APIRouter, database: Database, clock: Clock) -> None:
    @router.post("/{order_id}/dismiss", openapi_extra=body_schema(DismissWrite))
    async def dismiss_top_up_order(
        tenant_id: TenantId,
        currency: CurrencyCode,
        order_id: OrderId,
        *,
        caller: BillingWriter,
        key: IdempotencyKey,
        content: Annotated[Any, Body()],
    ) -> TopUpOrderRead:
        """Note that somebody has dealt with an order that was not paid, or was paid back."""
        caller.require_vendor_key()
        written = read_body(DismissWrite, content, code="invalid_dismissal")
        async with database.transaction() as connection:
            held = await held_by(connection, caller, tenant_id, currency)

            async def write() -> TopUpOrderRead:
                return await top_ups.dismiss(
                    connection, held, order_id, reason=written.reason, at=clock.now()
                )

            return await once(
                connection,
                held.account,
                key,
                request=(f"wallets/{tenant_id}/{currency}/top-up-orders/{order_id}", written),
                answer=TopUpOrderRead,
                write=write,
            )
