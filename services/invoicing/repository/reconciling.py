"""The SQL of reconciling: a month's invoices with their lines and sums of details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import ARRAY, Text, bindparam, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.repository.invoices import INVOICE_COLUMNS, read_lines
from services.invoicing.repository.taxes import read_taxes
from services.invoicing.tables import invoice, stripe_customer
from shared.accounts.repository import Account


@dataclass(frozen=True)
class MonthInvoice:
    """An invoice, why it was made (`period`, `opening`, …), and its hash of the rating."""

    made_for: str
    rating_hash: str
    invoice: Invoice


async def list_of_month(
    connection: AsyncConnection, account: Account, first: date, end: date
) -> list[MonthInvoice]:
    """Return the invoices whose last day lies in [first, end)."""
    query = (
        select(invoice.c.kind.label("made_for"), invoice.c.rating_hash.label("hash_rated"))
        .add_columns(*INVOICE_COLUMNS)
        .where(
            invoice.c.vendor_id == account.vendor_id,
            invoice.c.mode == account.mode,
            invoice.c.period_end > first,
            invoice.c.period_end <= end,
        )
        .order_by(invoice.c.invoice_id)
    )
    found = []
    for row in (await connection.execute(query)).mappings():
        values = dict(row)
        made_for, rating_hash = values.pop("made_for"), values.pop("hash_rated")
        found.append(MonthInvoice(made_for, rating_hash, Invoice(**values)))
    return found


@dataclass(frozen=True)
class DetailSums:
    """How many details a line has, and what they add up to."""

    count: int = 0
    quantity: Decimal = Decimal(0)
    amount_minor: int = 0


@dataclass(frozen=True)
class Parts:
    """The lines of an invoice, the sums of each line's details by its position, its own taxes."""

    lines: Sequence[InvoiceLine]
    details: Mapping[int, DetailSums]
    tax_minor: int = 0


_DETAILS = text(
    """
    select invoice_id, line_position, count(*) as count,
        sum(cast(quantity as numeric)) as quantity,
        cast(sum(amount_minor) as bigint) as amount_minor
    from invoicing.invoice_line_detail
    where vendor_id = :vendor_id and mode = :mode and invoice_id = any(:invoices)
    group by 1, 2
    """
).bindparams(bindparam("invoices", type_=ARRAY(Text)))


async def read_parts(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, Parts]:
    """Return what each invoice is made of."""
    details: dict[str, dict[int, DetailSums]] = {name: {} for name in invoice_ids}
    values = {"vendor_id": account.vendor_id, "mode": account.mode, "invoices": list(invoice_ids)}
    for row in await connection.execute(_DETAILS, values):
        sums = DetailSums(row[2], row.quantity, row.amount_minor)
        details[row.invoice_id][row.line_position] = sums
    lines = await read_lines(connection, account, invoice_ids)
    taxes = await read_taxes(connection, account, invoice_ids)
    return {
        name: Parts(lines[name], details[name], sum(tax.tax_minor for tax in taxes[name]))
        for name in invoice_ids
    }


async def read_customers(connection: AsyncConnection, account: Account) -> dict[str, str]:
    """Return the Stripe customer of each tenant."""
    query = select(stripe_customer.c.tenant_id, stripe_customer.c.stripe_customer_id).where(
        stripe_customer.c.vendor_id == account.vendor_id, stripe_customer.c.mode == account.mode
    )
    return {row.tenant_id: row.stripe_customer_id for row in await connection.execute(query)}


async def keys_by_stripe_id(
    connection: AsyncConnection, account: Account, stripe_ids: Sequence[str]
) -> dict[str, str]:
    """Return the invoice key of each of these Stripe invoices that is ours, of any month."""
    query = select(invoice.c.stripe_invoice_id, invoice.c.invoice_key).where(
        invoice.c.vendor_id == account.vendor_id,
        invoice.c.mode == account.mode,
        invoice.c.stripe_invoice_id.in_(stripe_ids),
    )
    return {row.stripe_invoice_id: row.invoice_key for row in await connection.execute(query)}
