"""How what happened to an invoice is remembered and told: a history row, and a message."""

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import Invoice
from services.invoicing.repository import invoices
from services.invoicing.tables import outbox
from shared.clock import Clock
from shared.events.invoice_changed import InvoiceChanged, InvoiceState
from shared.outbox import Outgoing, put


async def tell(
    connection: AsyncConnection,
    invoice: Invoice,
    state: InvoiceState,
    reason: str | None,
    clock: Clock,
) -> None:
    """Append to an invoice's history, and tell others, that it reached a state or a fact."""
    now = clock.now()
    await invoices.insert_state_change(
        connection, invoice, state=state, reason=reason, changed_at=now
    )
    message = InvoiceChanged(
        vendor_id=invoice.vendor_id,
        mode=invoice.mode,
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.invoice_id,
        statement_id=invoice.statement_id,
        invoice_key=invoice.invoice_key,
        number=invoice.number,
        state=state,
        reason=reason,
        currency=invoice.currency,
        total_minor=invoice.total_minor,
        tax_minor=invoice.told_tax_minor,
        gross_minor=invoice.gross_minor,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        stripe_invoice_id=invoice.stripe_invoice_id,
        changed_at=now,
    )
    await put(connection, outbox, [Outgoing(message)])
