"""Use cases: drafts held by their vendor's setting, and released by a person."""

from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from services.invoicing.domain.holds import HOLD_REASONS, Hold
from services.invoicing.models import Invoice
from services.invoicing.repository import holds, invoices
from services.invoicing.telling import tell
from shared.accounts.repository import Account
from shared.clock import Clock
from shared.errors import conflict


async def hold_draft(connection: AsyncConnection, invoice: Invoice, clock: Clock) -> None:
    """Hold a new draft by the setting that is in force now; a later one does not reach it."""
    setting = await holds.read_setting(connection, invoice.account)
    if invoice.state != "draft" or setting == holds.BillingSetting():
        return
    until = clock.now() + timedelta(seconds=setting.grace_seconds)
    await holds.insert_hold(connection, invoice, Hold(until, setting.approval))


async def release_draft(
    connection: AsyncConnection, account: Account, invoice_id: str, *, by: str, clock: Clock
) -> datetime:
    """Let a draft go on now; return when that was said first. Twice is once.

    Raises `unknown_invoice`, and `invoice_not_a_draft` for one that was never released and is past.
    """
    invoice = await invoices.read_invoice(connection, account, invoice_id, lock=True)
    hold = await holds.read_hold(connection, invoice)
    if hold is not None and hold.released_at is not None:
        return hold.released_at
    if invoice.state != "draft":
        message = f"The invoice is {invoice.state}; a draft is approved."
        raise conflict("invoice_not_a_draft", message, subject=invoice_id)
    released_at = await holds.release_hold(connection, invoice, by=by, now=clock.now())
    values = {"next_attempt_at": clock.now()}
    if invoice.reason in HOLD_REASONS:
        await invoices.update_invoice(connection, invoice, values | {"reason": None})
        await tell(connection, invoice, "draft", None, clock)
    else:
        await invoices.update_invoice(connection, invoice, values)
    return released_at
