"""Use cases: what a person orders for an issued invoice. The caller commits."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.corrections.models import STATUSES, Action, ActionOrder
from services.invoicing.domain.states import State
from services.invoicing.models import Invoice
from services.invoicing.repository import actions, invoices
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import TallyrollError, conflict

ISSUED: frozenset[State] = frozenset({"issued", "sent", "uncollectible"})
"""States of invoices that are out and not paid."""

_FROM: dict[Action, frozenset[State]] = {
    "void": ISSUED,
    "mark_uncollectible": frozenset({"issued", "sent"}),
}


async def order_action(
    connection: AsyncConnection, account: Account, invoice_id: str, action: Action, clock: Clock
) -> ActionOrder:
    """Order that an issued invoice is voided or given up; the same order twice is one.

    Raises `unknown_invoice`, `invoice_not_issued`, `invoice_is_final`, `invoice_being_revised`.
    """
    invoice = await invoices.read_invoice(connection, account, invoice_id, lock=True)
    known = await actions.find_action(connection, invoice, action)
    if known is not None and known.state != "refused":
        return known
    order = ActionOrder(
        vendor_id=invoice.vendor_id,
        mode=invoice.mode,
        tenant_id=invoice.tenant_id,
        invoice_id=invoice_id,
        action=action,
        state="done" if invoice.state == STATUSES[action] else "pending",
        reason=None,
        failures=0,
        created_at=clock.now() if known is None else known.created_at,
    )
    if order.state == "pending" and invoice.state not in _FROM[action]:
        raise refusal(invoice, action)
    if order.state == "pending":
        await check_not_revised(connection, invoice)
    await actions.put_action(connection, order, clock.now())
    return order


async def check_not_revised(connection: AsyncConnection, invoice: Invoice) -> None:
    """Raise `invoice_being_revised` for a locked invoice that is about to be replaced."""
    revising = await actions.find_action(connection, invoice, "revise")
    if revising is not None and revising.state == "pending":
        message = "The invoice is being revised: it will be void, and another one issued."
        raise conflict("invoice_being_revised", message, subject=invoice.invoice_id)


def refusal(invoice: Invoice, action: Action) -> TallyrollError:
    """Return why an invoice in its state cannot be ordered so."""
    if invoice.state in ("paid", "void", "uncollectible"):
        message = f"The invoice is {invoice.state}. What is paid is credited, not voided."
        return conflict("invoice_is_final", message, subject=invoice.invoice_id)
    message = f"The invoice is {invoice.state}; only an issued one can be changed by {action}."
    return conflict("invoice_not_issued", message, subject=invoice.invoice_id)
