"""Routes of coupons."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query

from services.invoicing import coupons
from services.invoicing.api.common import BillingReader, BillingWriter, Services, account_of
from services.invoicing.coupon_schemas import CouponList, CouponRead, CouponWrite
from services.invoicing.models import StoredCoupon
from services.invoicing.repository import coupons as repository
from shared.ids import Slug


def coupons_router(services: Services) -> APIRouter:
    """Return the routes of coupons under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["coupons"])

    @router.get("/coupons")
    async def list_coupons(
        caller: BillingReader, tenant: Annotated[Slug | None, Query()] = None
    ) -> CouponList:
        """List a tenant's coupons, ended ones too."""
        of = caller.tenant(tenant)
        async with services.database.transaction() as connection:
            found = await repository.list_coupons(connection, account_of(caller), of)
        return CouponList(coupons=[_read(one) for one in found])

    @router.post("/coupons", status_code=HTTPStatus.CREATED)
    async def create_coupon(written: CouponWrite, caller: BillingWriter) -> CouponRead:
        """Give a tenant a coupon, for invoices that are drafted from now on.

        The same again changes nothing; 409 when the tenant has another one of the id.
        """
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            stored = await coupons.create_coupon(
                connection,
                account_of(caller),
                written.values(),
                by=caller.key_id,
                clock=services.clock,
            )
        return _read(stored)

    @router.post("/coupons/{coupon_id}/end")
    async def end_coupon(
        coupon_id: Slug, caller: BillingWriter, tenant: Annotated[Slug, Query()]
    ) -> CouponRead:
        """End a coupon: invoices that are drafted from now on are without it."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            stored = await coupons.end_coupon(
                connection,
                account_of(caller),
                tenant,
                coupon_id,
                by=caller.key_id,
                clock=services.clock,
            )
        return _read(stored)

    return router


def _read(one: StoredCoupon) -> CouponRead:
    return CouponRead.model_validate(vars(one))
