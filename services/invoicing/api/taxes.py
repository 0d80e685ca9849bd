"""Routes of tax rates and of how tenants are taxed."""

from fractions import Fraction

from fastapi import APIRouter

from services.invoicing.api.common import BillingReader, BillingWriter, Services, account_of
from services.invoicing.domain.taxing import Rate
from services.invoicing.models import TaxId
from services.invoicing.repository import taxes as repository
from services.invoicing.repository.taxes import VENDOR_ITSELF, TaxSetting, Written
from services.invoicing.tax.schemas import (
    TaxDefaultRead,
    TaxDefaultWrite,
    TaxIdWrite,
    TaxRateList,
    TaxRateRead,
    TaxRateWrite,
    TenantTaxRead,
    TenantTaxWrite,
)
from services.invoicing.tax.settings import read_setting, write_rate, write_setting
from shared.ids import Slug
from shared.money import format_exact, parse_decimal


def taxes_router(services: Services) -> APIRouter:
    """Return the routes of tax under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["tax"])

    @router.get("/tax-rates")
    async def list_tax_rates(caller: BillingReader) -> TaxRateList:
        """List every version of the vendor's tax rates."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            found = await repository.list_rates(connection, account_of(caller))
        return TaxRateList(tax_rates=[_rate_read(one) for one in found])

    @router.put("/tax-rates/{rate_id}")
    async def put_tax_rate(
        rate_id: Slug, written: TaxRateWrite, caller: BillingWriter
    ) -> TaxRateRead:
        """Write the version of a tax rate that is valid from a day; twice the same is once.

        409 for another content of a version that stands on an invoice.
        """
        caller.require_vendor_key()
        values = written.model_dump(exclude={"inclusive", "percent"})
        percent = Fraction(parse_decimal(written.percent))
        rate = Rate(rate_id=rate_id, percent=percent, **values)
        by = Written(caller.key_id, services.clock.now())
        async with services.database.transaction() as connection:
            await write_rate(connection, account_of(caller), rate, by)
        return _rate_read(rate)

    _add_settings(router, services)
    return router


def _add_settings(router: APIRouter, services: Services) -> None:
    @router.get("/tax-settings")
    async def get_tax_settings(caller: BillingReader) -> TaxDefaultRead:
        """Return how the vendor's invoices are taxed, where a tenant has nothing of its own."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            own, _ = await read_setting(connection, account_of(caller), VENDOR_ITSELF)
        return _default_read(own)

    @router.put("/tax-settings")
    async def put_tax_settings(written: TaxDefaultWrite, caller: BillingWriter) -> TaxDefaultRead:
        """Set it for invoices that are drafted from now on."""
        caller.require_vendor_key()
        setting = _setting(written)
        by = Written(caller.key_id, services.clock.now())
        async with services.database.transaction() as connection:
            await write_setting(connection, account_of(caller), VENDOR_ITSELF, setting, by)
        return _default_read(setting)

    @router.get("/tax-settings/{tenant_id}")
    async def get_tenant_tax_settings(tenant_id: Slug, caller: BillingReader) -> TenantTaxRead:
        """Return how a tenant's invoices are taxed, and its tax ids."""
        of = caller.tenant(tenant_id)
        async with services.database.transaction() as connection:
            own, in_force = await read_setting(connection, account_of(caller), of)
        return _tenant_read(of, own, in_force)

    @router.put("/tax-settings/{tenant_id}")
    async def put_tenant_tax_settings(
        tenant_id: Slug, written: TenantTaxWrite, caller: BillingWriter
    ) -> TenantTaxRead:
        """Set it for invoices that are drafted from now on; tax ids go to Stripe with the next."""
        caller.require_vendor_key()
        account, by = account_of(caller), Written(caller.key_id, services.clock.now())
        async with services.database.transaction() as connection:
            await write_setting(connection, account, tenant_id, _setting(written), by)
            own, in_force = await read_setting(connection, account, tenant_id)
        return _tenant_read(tenant_id, own, in_force)


def _setting(written: TaxDefaultWrite) -> TaxSetting:
    ids = written.tax_ids if isinstance(written, TenantTaxWrite) else []
    return TaxSetting(
        treatment=written.treatment,
        rate_ids=tuple(written.rate_ids),
        text=written.text,
        tax_ids=tuple(TaxId(one.type, one.value) for one in ids),
    )


def _rate_read(rate: Rate) -> TaxRateRead:
    return TaxRateRead(**(vars(rate) | {"percent": format_exact(rate.percent)}))


def _default_read(setting: TaxSetting) -> TaxDefaultRead:
    return TaxDefaultRead(
        treatment=setting.treatment or "none",
        rate_ids=list(setting.rate_ids),
        text=setting.text,
    )


def _tenant_read(tenant_id: str, own: TaxSetting, in_force: TaxSetting) -> TenantTaxRead:
    return TenantTaxRead(
        tenant_id=tenant_id,
        treatment=own.treatment,
        rate_ids=list(own.rate_ids),
        text=own.text,
        tax_ids=[TaxIdWrite(type=one.type, value=one.value) for one in own.tax_ids],
        in_force=_default_read(in_force),
    )
