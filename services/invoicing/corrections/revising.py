"""Use cases: an issued invoice is replaced. It is void at Stripe before the new one exists.

1. The order is committed, with what the new invoice consists of. 2. The old one is voided, as any.
3. Whoever records that Stripe has it void, drafts the new one in that very transaction.
"""

from dataclasses import replace
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing import carrying
from services.invoicing.corrections.models import ActionOrder
from services.invoicing.corrections.ordering import ISSUED, refusal
from services.invoicing.corrections.recomposing import statement_again, written_again
from services.invoicing.documents.reading import read_statement_lines
from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.drafting import Draft
from services.invoicing.handlers import compose_drafts, content_of, record_new_drafts
from services.invoicing.manual import MANUAL, compose_manual, manual_plan
from services.invoicing.models import Invoice
from services.invoicing.repository import actions, credit_notes, invoices, revisions
from services.invoicing.repository.new_invoices import insert_invoice
from services.invoicing.repository.revisions import MadeFor, Revision
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import TallyrollError, conflict
from shared.ids import new_id

FROM_STATEMENTS = frozenset({"period", "opening"})


async def order_revision(
    connection: AsyncConnection, account: Account, invoice_id: str, wanted: Revision, clock: Clock
) -> ActionOrder:
    """Order that an issued invoice is replaced; the same order twice is one.

    Raises `unknown_invoice`, `invoice_not_issued`, `invoice_is_final`, `invoice_being_voided`,
    `invoice_has_credit_notes`, `revision_differs`, `invoice_not_revisable`, `invalid_invoice`.
    """
    invoice = await invoices.read_invoice(connection, account, invoice_id, lock=True)
    known = await actions.find_action(connection, invoice, "revise")
    if known is not None and known.state != "refused":
        earlier = await revisions.find_revision(connection, invoice)
        assert earlier is not None, "an order to revise says what to"
        if earlier.lines != wanted.lines:
            message = "This revision is ordered with other lines; revise the invoice it leads to."
            raise conflict("revision_differs", message, subject=invoice_id)
        return known
    await _check(connection, invoice, wanted)
    order = ActionOrder(
        vendor_id=invoice.vendor_id,
        mode=invoice.mode,
        tenant_id=invoice.tenant_id,
        invoice_id=invoice_id,
        action="revise",
        state="pending",
        reason=None,
        failures=0,
        created_at=clock.now() if known is None else known.created_at,
    )
    await revisions.put_revision(connection, invoice, wanted)
    await actions.put_action(connection, order, clock.now())
    return order


async def _check(connection: AsyncConnection, invoice: Invoice, wanted: Revision) -> None:
    """Raise what keeps an invoice from being replaced, before anything is voided."""
    identity = invoice.invoice_id
    if invoice.state not in ISSUED:
        raise refusal(invoice, "revise")
    voiding = await actions.find_action(connection, invoice, "void")
    if voiding is not None and voiding.state == "pending":
        message = "The invoice is being voided; a void invoice is not revised."
        raise conflict("invoice_being_voided", message, subject=identity)
    if await credit_notes.notes_of_invoice(connection, invoice.account, identity):
        message = "Part of the invoice is credited; a new one would bill that again."
        raise conflict("invoice_has_credit_notes", message, subject=identity)
    made_for = await revisions.read_made_for(connection, invoice)
    if made_for.kind not in (*FROM_STATEMENTS, MANUAL):
        message = f"An invoice of the kind {made_for.kind} is not revised; void or credit it."
        raise conflict("invoice_not_revisable", message, subject=identity)
    if made_for.kind == MANUAL:
        await _compose_manual(connection, invoice, made_for, wanted)  # or `invalid_invoice`
    elif wanted.lines is not None:
        message = "Lines are given for one-off invoices; this one is made of its statement."
        raise TallyrollError("invalid_revision", message, subject=identity)


async def awaited(connection: AsyncConnection, invoice: Invoice) -> Revision | None:
    """Return what a locked invoice is to be replaced by as soon as it is void, if by anything."""
    order = await actions.find_action(connection, invoice, "revise")
    if order is None or order.state != "pending" or invoice.state == "void":
        return None
    return await revisions.find_revision(connection, invoice)


async def replace_void(
    connection: AsyncConnection, void: Invoice, wanted: Revision, clock: Clock
) -> Invoice:
    """Draft what replaces an invoice that is void at Stripe; the caller's transaction says so."""
    made_for = await revisions.read_made_for(connection, void)
    if made_for.kind == MANUAL:
        draft = await _compose_manual(connection, void, made_for, wanted)
    else:
        lines = await read_statement_lines(connection, void)
        statement = statement_again(void, made_for, lines)
        (draft,) = await compose_drafts(connection, void.account, [statement])
    key = replace(draft.key, revision=void.revision + 1)
    now = clock.now()
    stamps: dict[str, Any] = {"invoice_id": new_id(), "created_at": now, "next_attempt_at": now}
    made = await insert_invoice(connection, key, draft.values | stamps)
    assert made is not None, "a revision is made once, with its void"
    await record_new_drafts(connection, void.account, [content_of(made, draft)], clock)
    await carrying.record(connection, made, draft, clock)
    await revisions.put_revised_by(connection, void, made.invoice_id)
    return made


async def _compose_manual(
    connection: AsyncConnection, invoice: Invoice, made_for: MadeFor, wanted: Revision
) -> Draft:
    """Compose a one-off invoice anew; raises `invalid_invoice`."""
    found = await invoices.read_lines(connection, invoice.account, [invoice.invoice_id])
    written = written_again(invoice, found[invoice.invoice_id], wanted.lines)
    key = InvoiceKey(
        invoice.vendor_id,
        invoice.mode,
        invoice.tenant_id,
        invoice.subscription_id,
        MANUAL,
        made_for.sequence,
        invoice.period_start,
    )
    plan = await manual_plan(connection, invoice.account, written)
    draft = compose_manual(written, key, plan)
    return replace(draft, values=draft.values | {"statement_id": invoice.statement_id})
