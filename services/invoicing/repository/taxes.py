"""Tax rates, who has which, and the taxes that stand on invoices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, exists, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.taxing import Rate, Tax, Treatment
from services.invoicing.models import Invoice, TaxId
from services.invoicing.tax_tables import invoice_tax, tax_rate, tax_setting
from shared.accounts.repository import Account
from shared.money import format_exact, parse_exact

VENDOR_ITSELF = ""
"""Stands where a tenant's id does: the vendor's setting, for tenants without one."""

_PLAIN = (
    *("rate_id", "valid_from", "label", "jurisdiction", "country"),
    *("taxable_minor", "tax_minor"),
)


@dataclass(frozen=True)
class TaxSetting:
    """How invoices are taxed; `treatment` None: as the vendor's."""

    treatment: Treatment | None = None
    rate_ids: tuple[str, ...] = ()
    text: str | None = None
    tax_ids: tuple[TaxId, ...] = ()


@dataclass(frozen=True)
class Written:
    """Who writes, by the id of the API key, and when."""

    by: str
    at: datetime


async def list_rates(
    connection: AsyncConnection, account: Account, rate_ids: Sequence[str] | None = None
) -> list[Rate]:
    """Return every version of the vendor's rates, or of these, by id and day."""
    query = select(tax_rate).where(
        tax_rate.c.vendor_id == account.vendor_id, tax_rate.c.mode == account.mode
    )
    if rate_ids is not None:
        query = query.where(tax_rate.c.rate_id.in_(rate_ids))
    query = query.order_by(tax_rate.c.rate_id, tax_rate.c.valid_from)
    return [_rate(row) for row in (await connection.execute(query)).mappings()]


def _rate(row: RowMapping) -> Rate:
    values = {name: row[name] for name in Rate.__dataclass_fields__}
    return Rate(**(values | {"percent": parse_exact(row["percent"])}))


async def put_rate(
    connection: AsyncConnection, account: Account, rate: Rate, written: Written
) -> None:
    """Store a version of a rate, or replace the one of the same day."""
    keys = {"vendor_id": account.vendor_id, "mode": account.mode}
    values = vars(rate) | {
        "percent": format_exact(rate.percent),
        "written_by": written.by,
        "written_at": written.at,
    }
    statement = insert(tax_rate).values(**keys, **values)
    await connection.execute(
        statement.on_conflict_do_update(
            index_elements=["vendor_id", "mode", "rate_id", "valid_from"], set_=values
        )
    )


async def stands_on_invoice(connection: AsyncConnection, account: Account, rate: Rate) -> bool:
    """Tell whether any invoice was taxed by this version of a rate."""
    found = select(1).where(
        invoice_tax.c.vendor_id == account.vendor_id,
        invoice_tax.c.mode == account.mode,
        invoice_tax.c.rate_id == rate.rate_id,
        invoice_tax.c.valid_from == rate.valid_from,
    )
    return bool((await connection.execute(select(exists(found)))).scalar_one())


async def read_settings(
    connection: AsyncConnection, account: Account, tenant_ids: Sequence[str]
) -> dict[str, TaxSetting]:
    """Return the settings of these tenants (and of `VENDOR_ITSELF`) as far as there are any."""
    query = select(tax_setting).where(
        tax_setting.c.vendor_id == account.vendor_id,
        tax_setting.c.mode == account.mode,
        tax_setting.c.tenant_id.in_(tenant_ids),
    )
    rows = (await connection.execute(query)).mappings()
    return {row["tenant_id"]: _setting(row) for row in rows}


def _setting(row: RowMapping) -> TaxSetting:
    return TaxSetting(
        treatment=row["treatment"],
        rate_ids=tuple(row["rate_ids"]),
        text=row["text"],
        tax_ids=tuple(TaxId(**one) for one in row["tax_ids"]),
    )


async def put_setting(
    connection: AsyncConnection,
    account: Account,
    tenant_id: str,
    setting: TaxSetting,
    written: Written,
) -> None:
    """Set how a tenant is taxed, or the vendor's tenants for `VENDOR_ITSELF`."""
    keys = {"vendor_id": account.vendor_id, "mode": account.mode, "tenant_id": tenant_id}
    values = {
        "treatment": setting.treatment,
        "rate_ids": list(setting.rate_ids),
        "text": setting.text,
        "tax_ids": [vars(one) for one in setting.tax_ids],
        "written_by": written.by,
        "written_at": written.at,
    }
    statement = insert(tax_setting).values(**keys, **values)
    await connection.execute(
        statement.on_conflict_do_update(index_elements=list(keys), set_=values)
    )


async def insert_taxes(connection: AsyncConnection, of: Invoice, taxes: Sequence[Tax]) -> None:
    """Store the taxes of a new invoice; they never change afterwards."""
    if not taxes:
        return
    owner = {name: getattr(of, name) for name in ("vendor_id", "mode", "tenant_id", "invoice_id")}
    rows = [
        owner | {"position": position} | _columns(tax)
        for position, tax in enumerate(taxes, start=1)
    ]
    await connection.execute(insert(invoice_tax), rows)


def _columns(tax: Tax) -> dict[str, Any]:
    exact = {
        "percent": format_exact(tax.percent),
        "taxable_exact": format_exact(tax.taxable),
        "tax_exact": format_exact(tax.exact),
    }
    return exact | {name: getattr(tax, name) for name in _PLAIN}


async def read_taxes(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, list[Tax]]:
    """Return the taxes of each invoice in their order."""
    query = (
        select(invoice_tax)
        .where(
            invoice_tax.c.vendor_id == account.vendor_id,
            invoice_tax.c.mode == account.mode,
            invoice_tax.c.invoice_id.in_(invoice_ids),
        )
        .order_by(invoice_tax.c.invoice_id, invoice_tax.c.position)
    )
    taxes: dict[str, list[Tax]] = {identity: [] for identity in invoice_ids}
    for row in (await connection.execute(query)).mappings():
        taxes[row["invoice_id"]].append(_tax(row))
    return taxes


def _tax(row: RowMapping) -> Tax:
    values: dict[str, Any] = {name: row[name] for name in _PLAIN}
    values["percent"] = parse_exact(row["percent"])
    values["taxable"] = parse_exact(row["taxable_exact"])
    return Tax(**values)
