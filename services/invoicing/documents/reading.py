"""Reads what a document needs, in the caller's transaction."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from babel import Locale
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.documents.locales import DEFAULT_LOCALE, parse_locale
from services.invoicing.documents.statement import DocumentLine, Party, UsageStatement
from services.invoicing.domain.taxing import Tax
from services.invoicing.models import Invoice, InvoiceLineDetail
from services.invoicing.repository import documents, invoices, taxes
from services.invoicing.repository.documents import VENDOR_ITSELF
from services.invoicing.repository.revisions import read_neighbours
from services.invoicing.repository.taxes import TaxSetting
from shared.accounts import repository as accounts
from shared.accounts.repository import Account
from shared.errors import TallyrollError


async def read_statement(connection: AsyncConnection, invoice: Invoice) -> UsageStatement:
    """Return the usage statement of an invoice, with the parties as the accounts have them now."""
    return UsageStatement(
        invoice=invoice,
        vendor=await read_vendor(connection, invoice.vendor_id),
        tenant=await read_tenant(connection, invoice.account, invoice.tenant_id),
        lines=await read_statement_lines(connection, invoice),
        issued_at=await documents.read_issued_at(connection, invoice),
        taxes=await read_own_taxes(connection, invoice),
        revises=await _revises(connection, invoice),
    )


async def read_own_taxes(connection: AsyncConnection, invoice: Invoice) -> tuple[Tax, ...]:
    """Return the invoice's taxes of our own."""
    found = await taxes.read_taxes(connection, invoice.account, [invoice.invoice_id])
    return tuple(found[invoice.invoice_id])


async def _revises(connection: AsyncConnection, invoice: Invoice) -> str | None:
    """Return the number of the invoice that this one replaces; None for a first one."""
    if invoice.revision == 1:
        return None
    found = await read_neighbours(connection, invoice.account, [invoice.invoice_id])
    replaced = found[invoice.invoice_id].revises
    assert replaced is not None, "a revision replaces an invoice"
    return (await invoices.read_invoice(connection, invoice.account, replaced)).number


async def read_statement_lines(
    connection: AsyncConnection, invoice: Invoice
) -> tuple[DocumentLine, ...]:
    """Return the lines of an invoice with their steps and details, in their order."""
    account, invoice_id = invoice.account, invoice.invoice_id
    lines = (await invoices.read_lines(connection, account, [invoice_id]))[invoice_id]
    steps = await documents.read_steps(connection, account, invoice_id)
    details: dict[int, list[InvoiceLineDetail]] = defaultdict(list)
    for detail in await invoices.read_details(connection, account, invoice_id):
        details[detail.line_position].append(detail)
    return tuple(
        DocumentLine(
            replace(line, steps=steps.get(line.position, ())), tuple(details[line.position])
        )
        for line in lines
    )


async def read_vendor(connection: AsyncConnection, vendor_id: str) -> Party:
    return Party(vendor_id, (await accounts.read_vendor(connection, vendor_id))["name"])


async def read_tenant(connection: AsyncConnection, account: Account, tenant_id: str) -> Party:
    """Return a tenant; one that the accounts do not know has its id as its name."""
    try:
        found = await taxes.read_settings(connection, account, [tenant_id])
        setting = found.get(tenant_id, TaxSetting())
        row = await accounts.read_tenant(connection, account, tenant_id)
        return replace(_tenant(row), tax_ids=tuple(one.value for one in setting.tax_ids))
    except TallyrollError:
        return Party(tenant_id, tenant_id)


def _tenant(row: Mapping[Any, Any]) -> Party:
    address = row["address"]
    place = [address.get("postal_code"), address.get("city"), address.get("state")]
    lines = (address.get("line1"), address.get("line2"), " ".join(part for part in place if part))
    return Party(
        party_id=row["tenant_id"],
        name=row["legal_name"],
        address=tuple(line for line in lines if line),
        country=address.get("country") or "",
        billing_email=row["billing_email"],
        purchase_order=row["purchase_order"],
    )


async def choose_locale(
    connection: AsyncConnection, invoice: Invoice, named: str | None = None
) -> Locale:
    """Return the locale that is named, else the tenant's, else the vendor's, else English."""
    if named is None:
        known = await documents.read_locales(connection, invoice.account, [invoice.tenant_id])
        named = known.get(invoice.tenant_id) or known.get(VENDOR_ITSELF)
    return parse_locale(named or DEFAULT_LOCALE)
