"""How what happened to an invoice is remembered and told: a history row, and a message."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.models import Invoice
from services.invoicing.repository.invoices import StateChange, insert_state_changes
from services.invoicing.tables import outbox
from shared.clock import Clock
from shared.events.invoice_changed import InvoiceChanged, InvoiceState
from shared.outbox import Outgoing, put


@dataclass(frozen=True)
class News:
    """A state that an invoice reached, or a fact beside it, and why."""

    invoice: Invoice
    state: InvoiceState
    reason: str | None


async def tell(
    connection: AsyncConnection,
    invoice: Invoice,
    state: InvoiceState,
    reason: str | None,
    clock: Clock,
) -> None:
    """Append to an invoice's history, and tell others, that it reached a state or a fact."""
    await tell_all(connection, [News(invoice, state, reason)], clock)


async def tell_all(connection: AsyncConnection, news: Sequence[News], clock: Clock) -> None:
    """Do what `tell` does, for invoices none of which is named twice."""
    now = clock.now()
    history = [StateChange(one.invoice, one.state, one.reason, now) for one in news]
    await insert_state_changes(connection, history)
    await put(connection, outbox, [Outgoing(_message(one, now)) for one in news])


def _message(news: News, now: datetime) -> InvoiceChanged:
    invoice = news.invoice
    return InvoiceChanged(
        vendor_id=invoice.vendor_id,
        mode=invoice.mode,
        tenant_id=invoice.tenant_id,
        invoice_id=invoice.invoice_id,
        statement_id=invoice.statement_id,
        invoice_key=invoice.invoice_key,
        number=invoice.number,
        state=news.state,
        reason=news.reason,
        currency=invoice.currency,
        total_minor=invoice.total_minor,
        tax_minor=invoice.told_tax_minor,
        gross_minor=invoice.gross_minor,
        period_start=invoice.period_start,
        period_end=invoice.period_end,
        stripe_invoice_id=invoice.stripe_invoice_id,
        changed_at=now,
    )
