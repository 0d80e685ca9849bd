"""Use cases: one message or decision, one transaction. The caller commits."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing import carrying, coupons
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.numbering import invoice_number
from services.invoicing.domain.states import State
from services.invoicing.domain.taxing import Tax, TaxPlan, tax_day
from services.invoicing.drafting import Draft, compose_draft
from services.invoicing.holding import hold_draft
from services.invoicing.models import Invoice, InvoiceLine, InvoiceLineDetail
from services.invoicing.repository import invoices
from services.invoicing.repository import taxes as tax_repository
from services.invoicing.tables import inbox
from services.invoicing.tax.settings import plan_for
from services.invoicing.telling import tell
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import conflict
from shared.events.statement_rated import StatementRated
from shared.ids import new_id
from shared.inbox import claim_message

logger = structlog.get_logger()


async def draft_invoice(
    connection: AsyncConnection, statement: StatementRated, *, message_id: str, clock: Clock
) -> Invoice | None:
    """Make the invoice of a statement; None when the message or the invoice is there already.

    Raises `InvalidStatement`, with `statement_conflict` when the invoice of the same key was made
    of a statement that says something else.
    """
    source = StatementRated.topic.name
    if not await claim_message(connection, inbox, source=source, message_id=message_id):
        return None
    carried = await carrying.lock_open(connection, statement)
    valid = await coupons.lock_valid(connection, statement)
    plan = await _plan(connection, statement)
    draft = compose_draft(statement, carried, valid, plan)
    made = await invoices.insert_invoice(connection, draft.key, _invoice_values(draft, clock))
    if made is None:
        await _check_same(connection, draft.key, statement)
        return None
    await record_new_draft(
        connection,
        made,
        draft.lines,
        draft.details,
        sent=draft.sent,
        taxes=draft.tax.taxes,
        clock=clock,
    )
    await carrying.record(connection, made, draft, clock)
    return made


async def record_new_draft(
    connection: AsyncConnection,
    made: Invoice,
    lines: Sequence[InvoiceLine],
    details: Sequence[InvoiceLineDetail],
    *,
    clock: Clock,
    sent: Sequence[InvoiceLine] = (),
    taxes: Sequence[Tax] = (),
) -> None:
    """Store what a new invoice consists of, tell of it, and hold it if its vendor wants that.

    `sent` are the lines that go to Stripe where those are fewer; empty: `lines` do.
    """
    await tax_repository.insert_taxes(connection, made, taxes)
    await invoices.insert_lines(connection, made, lines, details)
    await invoices.insert_sent_lines(connection, made, sent)
    await _record_state(connection, made, clock)
    await hold_draft(connection, made, clock)
    logger.info("invoice_drafted", invoice_id=made.invoice_id, state=made.state, reason=made.reason)


async def _plan(connection: AsyncConnection, statement: StatementRated) -> TaxPlan:
    account = Account(statement.vendor_id, statement.mode)
    day = tax_day(statement.kind, statement.period_start, statement.period_end)
    return await plan_for(connection, account, statement.tenant_id, day)


def _invoice_values(draft: Draft, clock: Clock) -> dict[str, Any]:
    now = clock.now()
    return draft.values | {"invoice_id": new_id(), "created_at": now, "next_attempt_at": now}


async def _check_same(
    connection: AsyncConnection, key: InvoiceKey, statement: StatementRated
) -> None:
    if await invoices.rating_hash_of(connection, key) != statement.rating_hash:
        message = f"Invoice {key} was made of another statement."
        raise InvalidStatement("statement_conflict", message)


@dataclass(frozen=True)
class Change:
    """A change of state with its reason, and what else of the invoice changes with it."""

    state: State
    reason: str | None = None
    values: tuple[tuple[str, Any], ...] = ()


async def change_state(
    connection: AsyncConnection, invoice: Invoice, change: Change, clock: Clock
) -> Invoice:
    """Move an invoice to a state, with its history row and its message; no change, no message."""
    values: dict[str, Any] = dict(change.values)
    values |= {"state": change.state, "reason": change.reason}
    changed = await invoices.update_invoice(connection, invoice, values)
    if (changed.state, changed.reason) != (invoice.state, invoice.reason):
        await _record_state(connection, changed, clock)
    if changed.state == "void":
        await carrying.give_back(connection, changed)
    return changed


async def _record_state(connection: AsyncConnection, invoice: Invoice, clock: Clock) -> None:
    if invoice.state == "approved":
        # A step inside invoicing: others hear of it when the invoice is issued.
        await invoices.insert_state_change(
            connection,
            invoice,
            state=invoice.state,
            reason=invoice.reason,
            changed_at=clock.now(),
        )
        return
    await tell(connection, invoice, invoice.state, invoice.reason, clock)


async def approve_invoice(connection: AsyncConnection, invoice: Invoice, clock: Clock) -> Invoice:
    """Record the passed gate. The number is taken in this transaction, once for ever."""
    number = invoice.number
    if number is None:
        position = await invoices.take_sequence_position(connection, invoice.account)
        number = invoice_number(invoice.vendor_id, position)
    change = Change("approved", values=(("number", number),))
    return await change_state(connection, invoice, change, clock)


async def park_invoice(
    connection: AsyncConnection, invoice: Invoice, reason: str, clock: Clock
) -> Invoice:
    """Stop the invoice's way until a person looks at it."""
    logger.error("invoice_parked", invoice_id=invoice.invoice_id, reason=reason)
    return await change_state(connection, invoice, Change("parked", reason), clock)


UNSENDABLE = frozenset({"statement_total_differs"})
"""Reasons that lie in the invoice itself: sending it again cannot help."""


async def retry_invoice(
    connection: AsyncConnection, account: Account, invoice_id: str, *, clock: Clock
) -> Invoice:
    """Let a parked invoice go on; raises `invoice_not_parked`, `invoice_unsendable`."""
    invoice = await invoices.read_invoice(connection, account, invoice_id, lock=True)
    if invoice.state != "parked":
        message = f"The invoice is {invoice.state}; only a parked one is retried."
        raise conflict("invoice_not_parked", message, subject=invoice_id)
    if invoice.reason in UNSENDABLE:
        message = f"The invoice cannot be sent as it is: {invoice.reason}."
        raise conflict("invoice_unsendable", message, subject=invoice_id)
    state: State = "draft" if invoice.number is None else "approved"
    values = (("next_attempt_at", clock.now()), ("failures", 0))
    return await change_state(connection, invoice, Change(state, values=values), clock)
