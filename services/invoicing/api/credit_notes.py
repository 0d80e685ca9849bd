"""Routes of credit notes."""

from fractions import Fraction
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Path, Query
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.api.common import (
    BillingReader,
    BillingWriter,
    InvoiceId,
    Services,
    account_of,
)
from services.invoicing.corrections.crediting import (
    NoteOrder,
    cancel_note,
    order_note,
    retry_note,
)
from services.invoicing.corrections.models import CreditNote, CreditNoteLine
from services.invoicing.corrections.once import made_once
from services.invoicing.credit_note_schemas import (
    CreditNoteLineRead,
    CreditNotePage,
    CreditNoteRead,
    CreditNoteWrite,
)
from services.invoicing.domain.crediting import Scope, Wanted
from services.invoicing.repository import credit_notes, invoices
from services.invoicing.repository.credit_notes import CreditNoteFilter
from shared.accounts.access import Caller
from shared.errors import Fault, TallyrollError
from shared.idempotency import IdempotencyKey
from shared.ids import Slug
from shared.money import CURRENCIES, Currency, parse_decimal

NoteId = Annotated[str, Path(pattern=r"^[0-9a-f-]{36}$")]
AnyId = Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}$")]


def credit_notes_router(services: Services) -> APIRouter:
    """Return the routes of credit notes under `/v1`."""
    router = APIRouter(prefix="/v1", tags=["credit notes"])

    @router.post("/invoices/{invoice_id}/credit-notes", status_code=HTTPStatus.ACCEPTED)
    async def create_credit_note(
        invoice_id: InvoiceId,
        written: CreditNoteWrite,
        caller: BillingWriter,
        idempotency_key: IdempotencyKey,
    ) -> CreditNoteRead:
        """Credit an issued invoice: it is made at Stripe within seconds.

        Never more than what is left; Stripe's preview is compared before anything is made.
        """
        caller.require_vendor_key()
        account = account_of(caller)
        async with services.database.transaction() as connection:

            async def make() -> str:
                invoice = await invoices.read_invoice(connection, account, invoice_id)
                order = _order(written, CURRENCIES[invoice.currency])
                note = await order_note(connection, account, invoice_id, order, services.clock)
                return note.credit_note_id

            request = (f"POST /v1/invoices/{invoice_id}/credit-notes", written)
            made = await made_once(
                connection,
                account,
                idempotency_key,
                request=request,
                make=make,
                clock=services.clock,
            )
            return await _read(connection, caller, made)

    _add_reading(router, services)
    _add_decisions(router, services)
    return router


def _add_reading(router: APIRouter, services: Services) -> None:
    @router.get("/credit-notes")
    async def list_credit_notes(
        caller: BillingReader,
        tenant: Annotated[Slug | None, Query()] = None,
        invoice: AnyId = None,
        before: AnyId = None,
        limit: Annotated[int, Query(ge=1, le=200)] = 100,
    ) -> CreditNotePage:
        """List credit notes, newest first; a tenant's key sees the tenant's own."""
        wanted = caller.tenant(tenant) if caller.tenant_id else tenant
        account = account_of(caller)
        async with services.database.transaction() as connection:
            found = await credit_notes.list_notes(
                connection, account, CreditNoteFilter(wanted, invoice, before, limit)
            )
            lines = await credit_notes.read_note_lines(
                connection, account, [note.credit_note_id for note in found]
            )
        return CreditNotePage(
            credit_notes=[_shown(note, lines[note.credit_note_id]) for note in found],
            next=found[-1].credit_note_id if len(found) == limit else None,
        )

    @router.get("/credit-notes/{credit_note_id}")
    async def get_credit_note(credit_note_id: NoteId, caller: BillingReader) -> CreditNoteRead:
        """Return one credit note."""
        async with services.database.transaction() as connection:
            return await _read(connection, caller, credit_note_id)


def _add_decisions(router: APIRouter, services: Services) -> None:
    @router.post("/credit-notes/{credit_note_id}/retry")
    async def retry_credit_note(credit_note_id: NoteId, caller: BillingWriter) -> CreditNoteRead:
        """Let a parked credit note go on, from its preview."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            await retry_note(connection, account_of(caller), credit_note_id, services.clock)
            return await _read(connection, caller, credit_note_id)

    @router.post("/credit-notes/{credit_note_id}/cancel")
    async def cancel_credit_note(credit_note_id: NoteId, caller: BillingWriter) -> CreditNoteRead:
        """Give a parked credit note up; a number that it has stays with it."""
        caller.require_vendor_key()
        async with services.database.transaction() as connection:
            await cancel_note(connection, account_of(caller), credit_note_id, services.clock)
            return await _read(connection, caller, credit_note_id)


def _order(written: CreditNoteWrite, currency: Currency) -> NoteOrder:
    """Return the order; raises `invalid_credit_note` with every amount that is no minor units."""
    faults: list[Fault] = []

    def minor(text: str, path: str) -> int:
        amount = Fraction(parse_decimal(text)) * 10**currency.exponent
        if amount.denominator != 1 or amount <= 0:
            message = f"An amount in {currency.code} is above 0 and has whole minor units."
            faults.append(Fault("not_in_minor_units", path, message))
        return int(amount)

    amount = None if written.amount is None else minor(written.amount, "amount")
    lines = [
        (line.line_key, minor(line.amount, f"lines[{index}].amount"))
        for index, line in enumerate(written.lines)
    ]
    if faults:
        raise TallyrollError("invalid_credit_note", "Amounts are no minor units.", faults=faults)
    scope: Scope = "full" if written.full else "lines" if lines else "amount"
    return NoteOrder(Wanted(scope, amount, lines), written.settlement, written.reason, written.memo)


async def _read(connection: AsyncConnection, caller: Caller, credit_note_id: str) -> CreditNoteRead:
    account = account_of(caller)
    note = await credit_notes.read_note(
        connection, account, credit_note_id, tenant_id=caller.tenant_id
    )
    lines = await credit_notes.read_note_lines(connection, account, [credit_note_id])
    return _shown(note, lines[credit_note_id])


def _shown(note: CreditNote, lines: list[CreditNoteLine]) -> CreditNoteRead:
    return CreditNoteRead.model_validate(
        {
            **vars(note),
            "total_minor": note.total_minor,
            "lines": [CreditNoteLineRead.model_validate(vars(line)) for line in lines],
        }
    )
