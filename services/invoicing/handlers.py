"""Use cases: one message or decision, one transaction. The caller commits."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing import carrying, coupons
from services.invoicing.domain.errors import InvalidStatement
from services.invoicing.domain.invoice_key import InvoiceKey
from services.invoicing.domain.numbering import invoice_number
from services.invoicing.domain.states import State
from services.invoicing.domain.taxing import tax_day
from services.invoicing.drafting import Draft, compose_draft
from services.invoicing.holding import hold_drafts
from services.invoicing.models import Invoice
from services.invoicing.repository import invoices
from services.invoicing.repository import taxes as tax_repository
from services.invoicing.repository.new_invoices import Content, insert_contents, insert_invoices
from services.invoicing.tables import inbox
from services.invoicing.tax.settings import plans_for
from services.invoicing.telling import News, tell_all
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import conflict
from shared.events.statement_rated import StatementRated
from shared.ids import new_id
from shared.inbox import claim_messages

logger = structlog.get_logger()


@dataclass(frozen=True)
class Received:
    """A statement, and the id of the message that it came with."""

    statement: StatementRated
    message_id: str

    @property
    def account(self) -> Account:
        return Account(self.statement.vendor_id, self.statement.mode)

    @property
    def tenant_id(self) -> str:
        return self.statement.tenant_id


async def draft_invoices(
    connection: AsyncConnection, received: Sequence[Received], clock: Clock
) -> list[Invoice]:
    """Make the invoices of statements of one account and of different tenants.

    Returned are the new ones: nothing is made of a message that was taken before, nor where the
    invoice is there. Raises `InvalidStatement`, with `statement_conflict` when the invoice of a key
    was made of a statement that says something else; then none is made.
    """
    source = StatementRated.topic.name
    ids = [one.message_id for one in received]
    claimed = await claim_messages(connection, inbox, source=source, message_ids=ids)
    statements = [one.statement for one in received if one.message_id in claimed]
    if not statements:
        return []
    account = received[0].account
    drafts = await compose_drafts(connection, account, statements)
    values = [(draft.key, _invoice_values(draft, clock)) for draft in drafts]
    created = await insert_invoices(connection, values)
    for draft, statement, made in zip(drafts, statements, created, strict=True):
        if made is None:
            await _check_same(connection, draft.key, statement)
    new = [(made, draft) for made, draft in zip(created, drafts, strict=True) if made is not None]
    contents = [content_of(made, draft) for made, draft in new]
    await record_new_drafts(connection, account, contents, clock)
    for made, draft in new:
        await carrying.record(connection, made, draft, clock)
    return [made for made, _ in new]


async def compose_drafts(
    connection: AsyncConnection, account: Account, statements: Sequence[StatementRated]
) -> list[Draft]:
    """Return the drafts of statements, with all that goes on them beside what was rated."""
    carried = await carrying.lock_open(connection, account, statements)
    valid = await coupons.lock_valid(connection, account, statements)
    days = [
        (one.tenant_id, tax_day(one.kind, one.period_start, one.period_end)) for one in statements
    ]
    plans = await plans_for(connection, account, days)
    together = zip(statements, carried, valid, plans, strict=True)
    return [compose_draft(*given) for given in together]


def content_of(made: Invoice, draft: Draft) -> Content:
    """Return what is stored beside an invoice that was made of a draft."""
    return Content(made, draft.lines, draft.details, draft.sent, draft.tax.taxes)


async def record_new_drafts(
    connection: AsyncConnection, account: Account, contents: Sequence[Content], clock: Clock
) -> None:
    """Store what new invoices consist of, tell of them, and hold them if their vendor wants it."""
    made = [content.of for content in contents]
    taxed = [(content.of, content.taxes) for content in contents]
    await tax_repository.insert_taxes(connection, taxed)
    await insert_contents(connection, contents)
    await _record_states(connection, made, clock)
    await hold_drafts(connection, account, made, clock)
    logger.info("invoices_drafted", vendor_id=account.vendor_id, invoices=len(made))


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
    (changed,) = await change_states(connection, [(invoice, change)], clock)
    return changed


async def change_states(
    connection: AsyncConnection, changes: Sequence[tuple[Invoice, Change]], clock: Clock
) -> list[Invoice]:
    """Do what `change_state` does, for invoices none of which is named twice."""
    values = [
        (invoice, dict(change.values) | {"state": change.state, "reason": change.reason})
        for invoice, change in changes
    ]
    changed = await invoices.update_invoices(connection, values)
    news = [
        now
        for (before, _), now in zip(changes, changed, strict=True)
        if (now.state, now.reason) != (before.state, before.reason)
    ]
    await _record_states(connection, news, clock)
    for now in changed:
        if now.state == "void":
            await carrying.give_back(connection, now)
    return changed


async def _record_states(
    connection: AsyncConnection, changed: Sequence[Invoice], clock: Clock
) -> None:
    """Append to the histories of invoices, and tell of those that others hear of.

    `approved` is a step inside invoicing: others hear of the invoice when it is issued.
    """
    now = clock.now()
    quiet = [one for one in changed if one.state == "approved"]
    history = [invoices.StateChange(one, one.state, one.reason, now) for one in quiet]
    await invoices.insert_state_changes(connection, history)
    told = [News(one, one.state, one.reason) for one in changed if one.state != "approved"]
    await tell_all(connection, told, clock)


async def approve_invoices(
    connection: AsyncConnection, passed: Sequence[Invoice], clock: Clock
) -> list[Invoice]:
    """Record the passed gate of invoices, none of which is named twice.

    Their numbers are taken in this transaction, once for ever.
    """
    numbers = {one.invoice_id: one.number for one in passed}
    unnumbered = [one for one in passed if one.number is None]
    for account in sorted({one.account for one in unnumbered}, key=astuple):
        mine = [one for one in unnumbered if one.account == account]
        positions = await invoices.take_sequence_positions(connection, account, len(mine))
        numbers |= {
            one.invoice_id: invoice_number(one.vendor_id, position)
            for one, position in zip(mine, positions, strict=True)
        }
    changes = [
        (one, Change("approved", values=(("number", numbers[one.invoice_id]),))) for one in passed
    ]
    return await change_states(connection, changes, clock)


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
