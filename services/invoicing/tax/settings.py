"""Use cases: tax rates written, who has which, and how an invoice is taxed. The caller commits."""

from collections.abc import Sequence
from datetime import date

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.taxing import NO_TAX, Rate, TaxPlan, in_force
from services.invoicing.repository import taxes
from services.invoicing.repository.taxes import VENDOR_ITSELF, TaxSetting, Written
from shared.accounts.repository import Account, read_tenant
from shared.errors import Fault, TallyrollError, conflict


async def write_rate(
    connection: AsyncConnection, account: Account, rate: Rate, written: Written
) -> None:
    """Store a version of a rate; the same again is one.

    Raises `tax_rate_in_use` for another content of a version that stands on an invoice.
    """
    known = await taxes.list_rates(connection, account, [rate.rate_id])
    same_day = next((one for one in known if one.valid_from == rate.valid_from), None)
    if same_day == rate:
        return
    if same_day is not None and await taxes.stands_on_invoice(connection, account, rate):
        message = (
            f"The rate of {rate.valid_from} stands on an invoice and never changes; "
            "write a version that is valid from another day."
        )
        raise conflict("tax_rate_in_use", message, subject=rate.rate_id)
    await taxes.put_rate(connection, account, rate, written)


async def write_setting(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    setting: TaxSetting,
    written: Written,
) -> None:
    """Set how a tenant (or, for `VENDOR_ITSELF`, the vendor's tenants) is taxed from now on.

    Raises `unknown_tenant`, `invalid_tax_setting` with a fault for each unknown rate.
    """
    if tenant_id != VENDOR_ITSELF:
        await read_tenant(connection, account, tenant_id)
    known = {one.rate_id for one in await taxes.list_rates(connection, account, setting.rate_ids)}
    faults = [
        Fault("unknown_tax_rate", f"rate_ids[{at}]", f"There is no tax rate {rate_id!r}.")
        for at, rate_id in enumerate(setting.rate_ids)
        if rate_id not in known
    ]
    if faults:
        message = "Tax rates are written before a tenant has them."
        raise TallyrollError("invalid_tax_setting", message, faults=faults)
    await taxes.put_setting(connection, account, tenant_id, setting, written)


async def read_setting(
    connection: AsyncConnection, account: Account, tenant_id: str
) -> tuple[TaxSetting, TaxSetting]:
    """Return a tenant's own setting, and the one in force: its own, or the vendor's."""
    found = await taxes.read_settings(connection, account, [tenant_id, VENDOR_ITSELF])
    own = found.get(tenant_id, TaxSetting())
    inherits = own.treatment is None
    return own, found.get(VENDOR_ITSELF, TaxSetting()) if inherits else own


async def plan_for(
    connection: AsyncConnection, account: Account, tenant_id: str, day: date
) -> TaxPlan:
    """Return how an invoice of a tenant is taxed that is drafted now; `day` picks the rates."""
    _, setting = await read_setting(connection, account, tenant_id)
    if setting.treatment is None:
        return NO_TAX
    versions: Sequence[Rate] = ()
    if setting.rate_ids:
        versions = await taxes.list_rates(connection, account, setting.rate_ids)
    rates = in_force(versions, setting.rate_ids, day)
    return TaxPlan(setting.treatment, rates, setting.text)
