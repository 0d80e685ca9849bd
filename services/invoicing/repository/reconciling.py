"""The SQL of reconciling: a month's invoices with their lines and sums of details."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from sqlalchemy import ARRAY, Text, bindparam, or_, select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import Invoice, InvoiceLine
from services.invoicing.own_lines import CARRIED_IN_PREFIX, CARRIED_OUT_KEY
from services.invoicing.repository.invoices import INVOICE_COLUMNS, read_lines
from services.invoicing.repository.taxes import read_taxes
from services.invoicing.tables import carry_over, invoice, stripe_customer
from shared.accounts.repository import Account
from shared.money import format_exact, parse_exact


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
    """How many details a line has, what they add up to, and a digest of all that they say."""

    count: int = 0
    quantity: Decimal = Decimal(0)
    amount_minor: int = 0
    digest: str | None = None


@dataclass(frozen=True)
class Parts:
    """The lines of an invoice, the sums of each line's details by its position, its own taxes.

    `carried`: what it took over from others and left to the next, exact, by the keys of its lines.
    """

    lines: Sequence[InvoiceLine]
    details: Mapping[int, DetailSums]
    carried: Mapping[str, str] = field(default_factory=dict)
    tax_minor: int = 0


_DETAILS = text(
    """
    select invoice_id, line_position, count(*) as count,
        sum(cast(quantity as numeric)) as quantity,
        cast(sum(amount_minor) as bigint) as amount_minor,
        md5(string_agg(concat_ws('|', agent, model, kind, to_char(usage_day, 'YYYY-MM-DD'),
            trim_scale(cast(quantity as numeric)), amount_exact), e'\n' order by position)
        ) as digest
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
        sums = DetailSums(row[2], row.quantity, row.amount_minor, row.digest)
        details[row.invoice_id][row.line_position] = sums
    lines = await read_lines(connection, account, invoice_ids)
    carried = await _read_carried(connection, account, invoice_ids)
    taxes = await read_taxes(connection, account, invoice_ids)
    return {
        name: Parts(
            lines[name], details[name], carried[name], sum(tax.tax_minor for tax in taxes[name])
        )
        for name in invoice_ids
    }


async def _read_carried(
    connection: AsyncConnection, account: Account, invoice_ids: Sequence[str]
) -> dict[str, dict[str, str]]:
    """Return the amounts that the lines of what was carried must have, by invoice and line key."""
    of, into = carry_over.c.carry_over_id, carry_over.c.into_invoice_id
    query = select(of, into, carry_over.c.amount_exact).where(
        carry_over.c.vendor_id == account.vendor_id,
        carry_over.c.mode == account.mode,
        or_(of.in_(invoice_ids), into.in_(invoice_ids)),
    )
    found: dict[str, dict[str, str]] = {name: {} for name in invoice_ids}
    for row in await connection.execute(query):
        if row.carry_over_id in found:
            left = format_exact(-parse_exact(row.amount_exact))
            found[row.carry_over_id][CARRIED_OUT_KEY] = left
        if row.into_invoice_id in found:
            taken = f"{CARRIED_IN_PREFIX}{row.carry_over_id}"
            found[row.into_invoice_id][taken] = row.amount_exact
    return found


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
