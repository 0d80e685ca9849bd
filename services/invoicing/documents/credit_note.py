"""A credit note with everything that its document tells, and how it is read."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.corrections.models import CreditNote, CreditNoteLine
from services.invoicing.documents.reading import read_statement_lines, read_tenant, read_vendor
from services.invoicing.documents.statement import Party
from services.invoicing.models import Invoice
from services.invoicing.repository import credit_notes, invoices
from shared.accounts.repository import Account
from shared.errors import conflict
from shared.money import CURRENCIES, Currency


@dataclass(frozen=True)
class CreditedLine:
    """A line of the invoice in words, and what of it is credited before tax, in minor units."""

    title: str
    line: CreditNoteLine


@dataclass(frozen=True)
class CreditNoteDocument:
    """An issued credit note; `lines` is empty unless lines were named."""

    note: CreditNote
    invoice: Invoice
    vendor: Party
    tenant: Party
    lines: tuple[CreditedLine, ...]
    issued_at: datetime

    @property
    def currency(self) -> Currency:
        return CURRENCIES[self.note.currency]

    @property
    def name(self) -> str:
        """What the note is called: its number."""
        return self.note.number or self.note.credit_note_id

    @property
    def invoice_name(self) -> str:
        return self.invoice.number or self.invoice.invoice_id


async def read_credit_note(
    connection: AsyncConnection, account: Account, note: CreditNote
) -> CreditNoteDocument:
    """Return the document of a note; raises `credit_note_not_issued`."""
    if note.state != "issued":
        message = f"The credit note is {note.state}; an issued one has a document."
        raise conflict("credit_note_not_issued", message, subject=note.credit_note_id)
    invoice = await invoices.read_invoice(connection, account, note.invoice_id)
    issued_at = await credit_notes.read_issued_at(connection, note)
    return CreditNoteDocument(
        note=note,
        invoice=invoice,
        vendor=await read_vendor(connection, note.vendor_id),
        tenant=await read_tenant(connection, account, note.tenant_id),
        lines=await read_credited_lines(connection, invoice, note),
        issued_at=issued_at,
    )


async def read_credited_lines(
    connection: AsyncConnection, invoice: Invoice, note: CreditNote
) -> tuple[CreditedLine, ...]:
    """Return what is credited of each line that a note names, in the note's order."""
    identity = note.credit_note_id
    found = (await credit_notes.read_note_lines(connection, note.account, [identity]))[identity]
    if not found:
        return ()
    titles = {
        one.line.line_key: one.title for one in await read_statement_lines(connection, invoice)
    }
    return tuple(CreditedLine(titles[line.line_key], line) for line in found)
