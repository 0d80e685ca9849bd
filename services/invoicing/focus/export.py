"""Writes the FOCUS rows of a month's billed invoices, and checks that they sum to them."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import IO

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.documents.credit_note import read_credited_lines
from services.invoicing.documents.reading import (
    read_own_taxes,
    read_statement_lines,
    read_tenant,
    read_vendor,
)
from services.invoicing.documents.statement import Party, UsageStatement
from services.invoicing.focus.columns import COLUMNS
from services.invoicing.focus.credits import ServedNote, credit_rows
from services.invoicing.focus.rows import focus_rows
from services.invoicing.repository import credit_notes
from services.invoicing.repository.documents import Billed, list_billed
from services.invoicing.sheets import Form, Sink, open_sink
from shared.errors import TallyrollError, conflict

INVOICES_PER_PAGE = 100
DECEMBER = 12


@dataclass
class Exported:
    """What was written: `billed` is the sum of BilledCost by currency.

    That is the invoices with their tax, less their issued credit notes.
    """

    invoices: int = 0
    rows: int = 0
    billed: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))


def month_of(text: str) -> tuple[date, date]:
    """Return a month's first day and the next one's of `2026-10`; raises `invalid_month`."""
    try:
        first = date.fromisoformat(f"{text}-01")
        last = first.month == DECEMBER
        return first, date(first.year + last, 1 if last else first.month + 1, 1)
    except ValueError as error:
        message = "A month is written as 2026-10."
        raise TallyrollError("invalid_month", message, subject=text[:20]) from error


async def export_focus(
    connection: AsyncConnection,
    billed: Billed,
    file: IO[bytes],
    form: Form,
    *,
    rows_max: int | None = None,
) -> Exported:
    """Write the rows of the invoices whose periods begin in the month; `too_many_rows`."""
    exported = Exported()
    sink = open_sink(file, COLUMNS, form)
    async for statement, notes in _statements(connection, billed):
        rows, cost = await asyncio.to_thread(_write, sink, statement, notes)
        exported.rows += rows
        if rows_max is not None and exported.rows > rows_max:
            message = f"The month has more than {rows_max} rows: use `tallyrollctl focus`."
            raise TallyrollError("too_many_rows", message)
        exported.billed[statement.invoice.currency] += cost
        exported.invoices += 1
    sink.close()
    return exported


async def _statements(
    connection: AsyncConnection, billed: Billed
) -> AsyncIterator[tuple[UsageStatement, list[ServedNote]]]:
    vendor = await read_vendor(connection, billed.account.vendor_id)
    tenants: dict[str, Party] = {}
    after = ""
    while page := await list_billed(connection, billed, after=after, limit=INVOICES_PER_PAGE):
        names = [invoice.invoice_id for invoice in page]
        issued = await credit_notes.issued_notes(connection, billed.account, names)
        for invoice in page:
            if (tenant := tenants.get(invoice.tenant_id)) is None:
                tenant = await read_tenant(connection, billed.account, invoice.tenant_id)
                tenants[invoice.tenant_id] = tenant
            lines = await read_statement_lines(connection, invoice)
            taxes = await read_own_taxes(connection, invoice)
            notes: list[ServedNote] = [
                (note, await read_credited_lines(connection, invoice, note))
                for note in issued[invoice.invoice_id]
            ]
            yield UsageStatement(invoice, vendor, tenant, lines, taxes=taxes), notes
        after = page[-1].invoice_id


def _write(
    sink: Sink, statement: UsageStatement, notes: Sequence[ServedNote] = ()
) -> tuple[int, Decimal]:
    """Write the rows of an invoice and its notes; return how many, and what they sum to."""
    rows = [*focus_rows(statement), *credit_rows(statement, notes)]
    cost = sum((row["BilledCost"] for row in rows), Decimal(0))
    _check_sum(statement, notes, cost)
    sink.write(rows)
    return len(rows), cost


def _check_sum(statement: UsageStatement, notes: Sequence[ServedNote], cost: Decimal) -> None:
    invoice = statement.invoice
    owed = invoice.total_minor + (invoice.told_tax_minor or 0)
    owed -= sum(note.total_minor for note, _ in notes)
    if cost != Decimal(owed).scaleb(-statement.currency.exponent):
        message = "The rows of an invoice do not sum to it; nothing is exported."
        raise conflict("focus_differs", message, subject=invoice.invoice_id)
