"""An invoice as Stripe has it now: its state, what is stored of Stripe, how its payments stand."""

from services.invoicing import handlers
from services.invoicing.corrections.revising import awaited, replace_void
from services.invoicing.corrections.standing import read_payments, record_payments
from services.invoicing.domain.states import state_from_stripe
from services.invoicing.handlers import Change
from services.invoicing.models import Invoice
from services.invoicing.repository import invoices
from services.invoicing.stripe_sync.passage import stripe_values
from services.invoicing.stripe_types import Stripe
from shared.clock import Clock
from shared.database import Database
from shared.events.invoice_changed import REVISED


async def refresh_invoice(
    database: Database, stripe: Stripe, clock: Clock, invoice: Invoice, *, sent: bool = False
) -> Invoice:
    """Fetch an invoice and store what it says; whoever asks holds the invoice's lock.

    `sent` tells that Stripe reported the sending. Raises `StripeProblem`.
    """
    assert invoice.stripe_invoice_id is not None, "only what is at Stripe is refreshed"
    observed = await stripe.retrieve_invoice(invoice.stripe_invoice_id)
    payments = await read_payments(stripe, observed)
    async with database.transaction() as connection:
        current = await invoices.read_invoice(
            connection, invoice.account, invoice.invoice_id, lock=True
        )
        state = state_from_stripe(current.state, observed.status, sent=sent)
        reason = current.reason if state == current.state else None
        revision = await awaited(connection, current) if state == "void" else None
        if revision is not None:
            reason = REVISED
        change = Change(state, reason, stripe_values(current, observed))
        changed = await handlers.change_state(connection, current, change, clock)
        await record_payments(connection, changed, payments, clock)
        if revision is not None:
            await replace_void(connection, changed, revision, clock)
    return changed
