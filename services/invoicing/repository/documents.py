"""What documents read beyond the invoice, and the locales that they are written in."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import any_, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import Invoice, InvoiceLineDetail, LineStep
from services.invoicing.repository.bulk import array_of
from services.invoicing.repository.invoices import INVOICE_COLUMNS
from services.invoicing.tables import (
    document_locale,
    invoice,
    invoice_line,
    invoice_line_detail,
    invoice_state_change,
)
from shared.accounts.repository import Account
from shared.errors import not_found
from shared.events.message import Mode

VENDOR_ITSELF = ""
"""Stands where a tenant's id does: the vendor's own locale, for tenants without one."""

BILLED_STATES = ("issued", "sent", "paid", "uncollectible")
"""States of invoices that are owed or were: drafts are not yet, void ones no more."""


@dataclass(frozen=True)
class Billed:
    """Which invoices an export is about: periods that begin in `[first, end)`."""

    account: Account
    tenant_id: str | None
    first: date
    end: date


async def read_invoice_by_id(connection: AsyncConnection, invoice_id: str) -> Invoice:
    """Return the invoice that a signed link names; raises `unknown_invoice`."""
    query = select(*INVOICE_COLUMNS).where(invoice.c.invoice_id == invoice_id)
    row = (await connection.execute(query)).mappings().one_or_none()
    if row is None:
        raise not_found("invoice", invoice_id)
    return Invoice(**row)


async def read_steps(
    connection: AsyncConnection, account: Account, invoice_id: str
) -> dict[int, tuple[LineStep, ...]]:
    """Return how the lines of an invoice came about, by their positions."""
    query = select(invoice_line.c.position, invoice_line.c.steps).where(
        invoice_line.c.vendor_id == account.vendor_id,
        invoice_line.c.mode == account.mode,
        invoice_line.c.invoice_id == invoice_id,
    )
    rows = (await connection.execute(query)).all()
    return {row.position: tuple(LineStep(**step) for step in row.steps) for row in rows}


async def read_issued_at(connection: AsyncConnection, of: Invoice) -> datetime | None:
    """Return when an invoice was first owed; None for one that never was."""
    changes = invoice_state_change
    query = select(func.min(changes.c.changed_at)).where(
        changes.c.vendor_id == of.vendor_id,
        changes.c.mode == of.mode,
        changes.c.tenant_id == of.tenant_id,
        changes.c.invoice_id == of.invoice_id,
        changes.c.state.in_(BILLED_STATES),
    )
    issued_at: datetime | None = (await connection.execute(query)).scalar_one()
    return issued_at


async def list_vendors(connection: AsyncConnection, mode: Mode) -> Sequence[str]:
    """Return the vendors that have invoices, in the order of their ids."""
    query = select(invoice.c.vendor_id).where(invoice.c.mode == mode).distinct()
    return (await connection.execute(query.order_by(invoice.c.vendor_id))).scalars().all()


async def list_billed(
    connection: AsyncConnection, billed: Billed, *, after: str, limit: int
) -> Sequence[Invoice]:
    """Return billed invoices behind an id, in the order of their ids."""
    query = select(*INVOICE_COLUMNS).where(
        invoice.c.vendor_id == billed.account.vendor_id,
        invoice.c.mode == billed.account.mode,
        invoice.c.state.in_(BILLED_STATES),
        invoice.c.period_start >= billed.first,
        invoice.c.period_start < billed.end,
        invoice.c.invoice_id > after,
    )
    if billed.tenant_id is not None:
        query = query.where(invoice.c.tenant_id == billed.tenant_id)
    rows = await connection.execute(query.order_by(invoice.c.invoice_id).limit(limit))
    return [Invoice(**row) for row in rows.mappings()]


async def list_details(
    connection: AsyncConnection, of: Invoice, line_position: int, *, after: int, limit: int
) -> Sequence[InvoiceLineDetail]:
    """Return details of one line behind a position, in their order."""
    table = invoice_line_detail
    columns = [table.c[name] for name in InvoiceLineDetail.__dataclass_fields__]
    query = select(*columns).where(
        table.c.vendor_id == of.vendor_id,
        table.c.mode == of.mode,
        table.c.tenant_id == of.tenant_id,
        table.c.invoice_id == of.invoice_id,
        table.c.line_position == line_position,
        table.c.position > after,
    )
    rows = await connection.execute(query.order_by(table.c.position).limit(limit))
    return [InvoiceLineDetail(**row) for row in rows.mappings()]


async def put_locale(
    connection: AsyncConnection, account: Account, tenant_id: str, locale: str
) -> None:
    """Set the locale of a tenant's documents, or the vendor's for `VENDOR_ITSELF`."""
    keys = {"vendor_id": account.vendor_id, "mode": account.mode, "tenant_id": tenant_id}
    written = insert(document_locale).values(**keys, locale=locale)
    await connection.execute(
        written.on_conflict_do_update(index_elements=list(keys), set_={"locale": locale})
    )


async def read_locales(
    connection: AsyncConnection, account: Account, tenant_ids: Collection[str]
) -> dict[str, str]:
    """Return the locales of tenants and of the vendor, as far as there are any."""
    query = select(document_locale.c.tenant_id, document_locale.c.locale).where(
        document_locale.c.vendor_id == account.vendor_id,
        document_locale.c.mode == account.mode,
        document_locale.c.tenant_id == any_(array_of([*tenant_ids, VENDOR_ITSELF])),
    )
    return {row.tenant_id: row.locale for row in (await connection.execute(query)).all()}
